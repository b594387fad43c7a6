"""Streamable HTTP: room for requests of batches, and for answers that are not read."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.exchanges.turns import Turns
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Connection, site_of
from tests.consumers.credentials import token_of
from tests.consumers.streamable import (
    BOTH,
    JSON_ONLY,
    Session,
    begin_modern,
    call_of,
    finish,
    messages_of,
    open_session,
    post_modern,
    text_of,
)
from tests.patience import PATIENCE_SECONDS

open_to_all = pytest.mark.usefixtures("without_authentication")
BATCHES = "2025-03-26"
LARGE = 100_000
"""More than is sent without being counted."""


class Calls:
    """What the handlers of a server do.

    Attributes:
        begun: Ids of the calls that were begun, in order.
        running: Those of them that run.
    """

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.running: dict[Any, anyio.Event] = {}
        self._begun, self._arrivals = anyio.create_memory_object_stream[None](1000)

    async def wait(self, id: Any) -> None:
        """Run until the test ends the call."""
        self.begun.append(id)
        self.running[id] = anyio.Event()
        self._begun.send_nowait(None)
        try:
            await self.running[id].wait()
        finally:
            del self.running[id]

    async def arrive(self, count: int) -> None:
        """Wait until so many more have begun, and others had time to."""
        with anyio.fail_after(PATIENCE_SECONDS):
            for _ in range(count):
                await self._arrivals.receive()
            await anyio.wait_all_tasks_blocked()

    def end(self, *ids: Any) -> None:
        """End calls."""
        for id in ids:
            self.running[id].set()


@pytest.fixture
def calls() -> Calls:
    """Give what the handlers of `site` do."""
    return Calls()


@pytest.fixture
def site(calls: Calls) -> Any:
    """Give an application whose calls run until they are ended, or answer at length."""
    server = Server("room")

    @server.tool
    async def run(context: Context) -> str:
        await calls.wait(context.request_id)
        return "done"

    @server.tool
    async def large(size: int) -> str:
        calls.begun.append("large")
        return "x" * size

    @server.tool(max_result_bytes=1000)
    async def bounded(size: int) -> str:
        return "x" * size

    return site_of(server)


def run(*ids: int) -> list[Any]:
    return [call_of("run", id=id) for id in ids]


def answers_of(connection: Connection) -> dict[int, Any]:
    """Give the answers to a batch, by id."""
    response = connection.response
    is_json = response.header("content-type") == "application/json"
    answers = response.json() if is_json else messages_of(response)
    return {answer["id"]: answer for answer in answers}


# Turns ------------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("accept", [BOTH, JSON_ONLY])
async def test_requests_of_a_batch_take_turns(
    settings: Settings, calls: Calls, site: Any, accept: str
) -> None:
    """We promise it: MCP["MAX_CONCURRENT"] of a session, whatever batches hold."""
    settings.MCP = {**settings.MCP, "MAX_CONCURRENT": 2}
    session = await open_session(BATCHES, application=site)
    first = session.begin_post(run(1, 2, 3), accept=accept)
    await calls.arrive(2)
    second = session.begin_post(run(4), accept=accept)
    other = await open_session(BATCHES, application=site, name="other")
    third = other.begin_post(run(5), accept=accept)
    await calls.arrive(1)
    assert set(calls.running) == {1, 2, 5}
    calls.end(2)
    await calls.arrive(1)
    assert set(calls.running) == {1, 3, 5}
    calls.end(1, 3, 5)
    await calls.arrive(1)
    calls.end(4)
    for connection, ids in ((first, {1, 2, 3}), (second, {4}), (third, {5})):
        await finish(connection)
        answers = answers_of(connection)
        assert set(answers) == ids
        assert {text_of(answer) for answer in answers.values()} == {"done"}
    assert len(current_worker().part(Turns)) == 0


@open_to_all
async def test_request_that_waits_for_its_turn_can_be_cancelled(
    settings: Settings, calls: Calls, site: Any
) -> None:
    """We promise it: it never runs, and keeps nobody waiting."""
    settings.MCP = {**settings.MCP, "MAX_CONCURRENT": 1}
    session = await open_session(BATCHES, application=site)
    batch = session.begin_post(run(1, 2, 3), accept=JSON_ONLY)
    await calls.arrive(1)
    await session.cancel(2)
    calls.end(1)
    await calls.arrive(1)
    calls.end(3)
    await finish(batch)
    assert set(answers_of(batch)) == {1, 3}
    assert calls.begun == [1, 3]


@open_to_all
async def test_requests_that_wait_go_on_when_their_client_is_gone(
    settings: Settings, calls: Calls, site: Any
) -> None:
    """Spec: 2025-03-26 basic/transports: a lost connection is no cancellation."""
    settings.MCP = {**settings.MCP, "MAX_CONCURRENT": 1}
    session = await open_session(BATCHES, application=site)
    batch = session.begin_post(run(1, 2))
    await calls.arrive(1)
    await batch.go_away()
    calls.end(1)
    await calls.arrive(1)
    calls.end(2)
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(current_worker().part(Turns)):
            await anyio.wait_all_tasks_blocked()


@open_to_all
async def test_batch_waits_for_room_in_its_session(
    settings: Settings, calls: Calls, site: Any
) -> None:
    """We promise it: MCP["MAX_INBOX"], and then 503 with Retry-After; what never has
    room is said to."""
    settings.MCP = {
        **settings.MCP,
        "MAX_CONCURRENT": 1,
        "MAX_INBOX": 2,
        "ROOM_TIMEOUT": 0.05,
    }
    session = await open_session(BATCHES, application=site)
    response = await session.post(run(1, 2, 3, 4))
    assert response.error() == (
        400,
        -32600,
        "a batch of 4 requests; at most 3 may run and wait in a session",
    )
    batch = session.begin_post(run(1, 2, 3), accept=JSON_ONLY)
    await calls.arrive(1)
    response = await session.post(run(4), accept=JSON_ONLY)
    assert (response.status, response.header("retry-after")) == (503, "1")
    settings.MCP = {**settings.MCP, "ROOM_TIMEOUT": PATIENCE_SECONDS}
    late = session.begin_post(run(5), accept=JSON_ONLY)
    for id in (1, 2, 3):
        calls.end(id)
        await calls.arrive(1)
    calls.end(5)
    await finish(batch)
    await finish(late)
    assert set(answers_of(late)) == {5}


# Results that are too large ---------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("accept", [BOTH, JSON_ONLY])
async def test_answers_to_a_batch_in_one_body_are_bounded(
    settings: Settings, calls: Calls, site: Any, accept: str
) -> None:
    """We promise it: MCP["MAX_RESULT_BYTES"] for one body; requests that would not fit
    are not carried out. As events each has room for itself."""
    settings.MCP = {**settings.MCP, "MAX_RESULT_BYTES": 4 * LARGE}
    session = await open_session(BATCHES, application=site)
    batch = [call_of("large", id=id, size=LARGE) for id in range(20)]
    connection = session.begin_post(batch, accept=accept)
    await finish(connection)
    answers = answers_of(connection)
    assert set(answers) == set(range(20))
    done = [id for id in answers if "result" in answers[id]]
    refused = [answers[id]["error"] for id in answers if "error" in answers[id]]
    assert len(done) == len(calls.begun)
    if accept == BOTH:
        assert refused == []
    else:
        assert len(done) == 2  # with which it is more than half full
        assert {error["code"] for error in refused} == {-32603}
        assert all("was not carried out" in error["message"] for error in refused)


@open_to_all
async def test_result_may_be_no_larger_than_the_setting(
    settings: Settings, site: Any
) -> None:
    """We promise it: MCP["MAX_RESULT_BYTES"] for JSON, too; the text is the model's."""
    settings.MCP = {**settings.MCP, "MAX_RESULT_BYTES": 2 * LARGE}
    call = call_of("large", size=LARGE)
    assert len(text_of((await post_modern(call, application=site)).json())) == LARGE
    answer = (
        await post_modern(call_of("large", size=3 * LARGE), application=site)
    ).json()
    assert answer["result"]["isError"]
    assert text_of(answer).startswith(f"the result takes {3 * LARGE + 178} bytes, and ")
    assert "ask for less" in text_of(answer)


# Answers that are not read ----------------------------------------------------------


async def test_who_does_not_read_is_answered_503_until_they_do(
    settings: Settings, ada: User, site: Any
) -> None:
    """We promise it: MCP["MAX_UNREAD_BYTES_PER_USER"]; nothing is begun, other users
    are served, and small answers are as ever for those who read."""
    settings.MCP = {
        "MAX_UNREAD_BYTES_PER_USER": 3 * LARGE,
        "ROOM_TIMEOUT": 0.05,
    }
    headers = await token_of(ada)
    bert = await User.objects.acreate(username="bert")
    unread = current_worker().unread
    unread.take(str(ada.pk), 2 * LARGE)
    call = call_of("large", size=LARGE)
    response = await post_modern(call, application=site, headers=headers)
    assert response.error() == (
        503,
        -32600,
        "200000 bytes that this user was answered wait to be read; read them and try "
        "again",
    )
    assert response.header("retry-after") == "1"
    session = await open_session(application=site, headers=headers)
    assert (await session.post(call)).status == 503
    others = await token_of(bert)
    response = await post_modern(call, application=site, headers=others)
    assert len(text_of(response.json())) == LARGE

    settings.MCP = {**settings.MCP, "ROOM_TIMEOUT": PATIENCE_SECONDS}
    waiting = begin_modern(call, application=site, headers=headers)
    await anyio.wait_all_tasks_blocked()
    unread.give_back(str(ada.pk), 2 * LARGE)
    await finish(waiting)
    assert len(text_of(waiting.response.json())) == LARGE
    assert unread.total == 0


async def test_answer_for_which_there_is_no_room_becomes_an_error(
    settings: Settings, ada: User, site: Any
) -> None:
    """We promise it: never silence. The text says that the tool has run."""
    settings.MCP = {"MAX_UNREAD_BYTES_PER_USER": 3 * LARGE}
    headers = await token_of(ada)
    unread = current_worker().unread
    unread.take(str(ada.pk), LARGE)
    call = call_of("large", size=int(2.5 * LARGE))
    response = await post_modern(call, application=site, headers=headers)
    answer = response.json()
    assert (response.status, answer["result"]["isError"]) == (200, True)
    assert text_of(answer) == (
        "the request was carried out, but there is no room for the 250178 bytes of "
        "its result, because 100000 bytes of earlier ones wait to be read; read them "
        "before you ask again"
    )
    assert unread.total == LARGE


async def test_batch_of_who_does_not_read_is_not_carried_out(
    settings: Settings, ada: User, calls: Calls, site: Any
) -> None:
    """We promise it: each of its requests is answered so."""
    settings.MCP = {
        "MAX_UNREAD_BYTES_PER_USER": 3 * LARGE,
        "ROOM_TIMEOUT": 0.05,
    }
    headers = await token_of(ada)
    session: Session = await open_session(BATCHES, application=site, headers=headers)
    current_worker().unread.take(str(ada.pk), 2 * LARGE)
    batch = session.begin_post([call_of("large", id=id, size=9) for id in range(3)])
    await finish(batch)
    assert {answer["error"]["code"] for answer in answers_of(batch).values()} == {
        -32603
    }
    assert calls.begun == []
