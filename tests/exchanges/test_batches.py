"""Batches: several requests of one POST, and what becomes of them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django.exchanges.turns import Turns
from mcp_django.worker.worker import current_worker
from tests.consumers.credentials import token_of
from tests.consumers.shop import runs
from tests.consumers.streamable import (
    BOTH,
    JSON_ONLY,
    arrival,
    call_of,
    finish,
    initialize_of,
    messages_of,
    open_session,
    post,
    read_message,
    shop,
    text_of,
)
from tests.site.mcp import Door

open_to_all = pytest.mark.usefixtures("without_authentication")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ADD = call_of("add", a=1, b=2)
HOLD = call_of("hold", door="here")
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    """Forget what the handlers of other tests did."""
    runs.clear()


BATCHES = "2025-03-26"


@open_to_all
async def test_batch_is_answered_on_a_stream_one_by_one() -> None:
    """Spec: 2025-03-26 basic/transports: one response for each request."""
    session = await open_session(BATCHES)
    failing = call_of("lost", id="x")

    response = await session.post([ADD, INITIALIZED, PING | {"id": 2}, failing])

    answers = {message["id"]: message for message in messages_of(response)}
    assert set(answers) == {1, 2, "x"}
    assert text_of(answers[1]) == "3"
    assert answers[2]["result"] == {}
    assert answers["x"]["error"]["code"] == -32602


@open_to_all
async def test_batch_of_a_client_that_reads_json_only_is_answered_by_an_array() -> None:
    """Spec: 2025-03-26 basic, "Batching"; JSON-RPC 2.0, section 6."""
    session = await open_session(BATCHES)

    response = await session.post([ADD, PING | {"id": 2}], accept=JSON_ONLY)

    assert response.header("content-type") == "application/json"
    assert {answer["id"] for answer in response.json()} == {1, 2}


@open_to_all
async def test_handler_of_a_batch_that_takes_too_long_holds_up_no_other(
    door: Door, settings: Settings
) -> None:
    """We promise it: each request of a batch has its own time."""
    settings.MCP = {**settings.MCP, "HANDLER_TIMEOUT": 0.05}
    session = await open_session(BATCHES)

    response = await session.post([HOLD | {"id": 1}, ADD | {"id": 2}])

    answers = {message["id"]: message for message in messages_of(response)}
    assert answers[1]["result"]["isError"]
    assert "the call took longer than 0.05 seconds" in text_of(answers[1])
    assert text_of(answers[2]) == "3"


@open_to_all
async def test_batch_of_one_is_answered_by_an_array_of_one() -> None:
    """Spec: JSON-RPC 2.0, section 6."""
    session = await open_session(BATCHES)

    [answer] = (await session.post([ADD], accept=JSON_ONLY)).json()

    assert text_of(answer) == "3"


@open_to_all
async def test_batch_without_a_request_is_accepted() -> None:
    """Spec: 2025-03-26 basic/transports: 202."""
    session = await open_session(BATCHES)

    response = await session.post([INITIALIZED, INITIALIZED])

    assert (response.status, response.body) == (202, b"")


@open_to_all
async def test_fast_answer_of_a_batch_does_not_wait_for_a_slow_one(door: Door) -> None:
    """Chosen: each is an event of its own."""
    session = await open_session(BATCHES)
    stream = await session.open_post([HOLD, ADD | {"id": 2}])
    assert text_of(await read_message(stream)) == "3"
    door.open()

    assert text_of(await read_message(stream)) == "1"
    await finish(stream)


@open_to_all
@pytest.mark.parametrize("accept", [BOTH, JSON_ONLY])
async def test_cancelled_request_of_a_batch_is_left_out(
    door: Door, accept: str
) -> None:
    """Spec: 2025-03-26 basic/utilities/cancellation."""
    session = await open_session(BATCHES)
    batch = [HOLD, ADD | {"id": 2}, HOLD | {"id": 3}]
    call = session.begin_post(batch, accept=accept)
    for _ in range(2):
        await arrival(door)
    await session.cancel(3)
    await session.cancel(1)
    response = await finish(call)

    answers = response.json() if accept == JSON_ONLY else messages_of(response)
    assert [answer["id"] for answer in answers] == [2]


@open_to_all
async def test_batch_whose_calls_end_at_the_same_time_is_answered_in_full(
    door: Door,
) -> None:
    """Chosen: none is lost, and the stream ends by itself."""
    session = await open_session(BATCHES)
    call = session.begin_post([HOLD | {"id": id} for id in range(20)])
    for _ in range(20):
        await arrival(door)
    door.open()

    answers = messages_of(await finish(call))

    assert {answer["id"] for answer in answers} == set(range(20))


@open_to_all
async def test_initialize_cannot_be_part_of_a_batch() -> None:
    """Spec: 2025-03-26 basic/lifecycle, "Initialization"."""
    session = await open_session(BATCHES)

    response = await session.post([PING, initialize_of(BATCHES)])

    answer = response.json()
    assert (response.status, answer["id"]) == (400, 0)
    assert answer["error"] == {
        "code": -32600,
        "message": "initialize must not be part of a batch",
    }
    assert response.header("mcp-session-id") is None
    assert (await post(shop, [initialize_of(BATCHES)])).status == 400


@open_to_all
async def test_batch_of_too_many_messages_is_refused() -> None:
    """Chosen: whoever sends it holds up everybody else."""
    session = await open_session(BATCHES)

    longest = [PING | {"id": number} for number in range(1000)]
    response = await session.post(longest, accept=JSON_ONLY)
    assert len(response.json()) == 1000
    response = await session.post([*longest, INITIALIZED])
    assert (response.status, response.json()["error"]["message"]) == (
        400,
        "a batch of 1001 messages; at most 1000 are taken",
    )


async def test_every_call_of_a_batch_counts(settings: Settings, ada: User) -> None:
    """Chosen: MCP["MAX_CALLS_PER_USER"] cannot be passed by by a batch."""
    settings.MCP = {"MAX_CALLS_PER_USER": 2}
    session = await open_session(BATCHES, headers=await token_of(ada))
    calls = [ADD | {"id": number} for number in range(3)]

    assert (await session.post(calls)).error() == (
        400,
        -32600,
        "a batch of 3 requests; at most 2 may run and wait in a session",
    )
    worker = current_worker()
    with await worker.connections.reserve(str(ada.pk), "call"):
        assert (await session.post(calls[:2])).status == 503
        assert len(worker.part(Turns)) == 0
    assert (await session.post(calls[:2])).status == 200
