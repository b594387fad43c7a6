"""The end of the process: what runs gets some time; servers may cancel exchanges."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from pytest_django import Settings

from mcp_django.exchanges.event_store import replay
from mcp_django.exchanges.session_id import HTTPSession, read_session_id
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Connection, open_stream, site
from tests.consumers.shop import runs
from tests.consumers.streamable import (
    JSON_ONLY,
    Session,
    arrival,
    begin_modern,
    call_of,
    finish,
    messages_of,
    open_modern,
    open_session,
    post_modern,
    progress,
    read_message,
    text_of,
    with_progress,
)
from tests.consumers.websocket_connections import Closed, open_websocket
from tests.patience import PATIENCE_SECONDS
from tests.site.mcp import Door

HOLD = call_of("hold", door="here")
LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}},
}


@pytest.fixture(autouse=True)
def hurry(settings: Settings) -> None:
    """Let everybody in, and give running calls no time at the end."""
    settings.MCP = {"AUTHENTICATION": [], "SHUTDOWN_SECONDS": 0}


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    """Forget what the handlers of other tests did."""
    runs.clear()


async def shut_down(*connections: Connection) -> None:
    """End as Daphne does: say so, cancel everything, and then wait for us."""
    closing = current_worker().close_all()
    for connection in connections:
        await connection.be_cancelled()
    await closing
    assert len(current_worker().connections) == 0


async def test_modern_requests_end_without_an_answer(door: Door) -> None:
    """Chosen: clients see the end of the body, not a broken connection."""
    held = begin_modern(HOLD)
    json_only = begin_modern(HOLD, headers={"accept": JSON_ONLY})
    for _ in range(2):
        await arrival(door)

    await shut_down(held, json_only)

    assert messages_of(held.response) == []
    assert json_only.response.error()[:2] == (503, -32603)
    assert runs.cancelled == ["hold"] * 2


async def test_stream_that_has_begun_ends(door: Door) -> None:
    """Chosen: as above."""
    stream = await open_modern(with_progress(call_of("report", steps=2, door="here")))
    await arrival(door)

    await shut_down(stream)

    assert messages_of(stream.response) == [progress(1, 2)]


async def test_call_that_can_be_come_back_for_is_answered_with_an_error(
    door: Door, settings: Settings
) -> None:
    """Chosen: whoever comes back shall not find that it ended without a word."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "EVENT_STORE_CACHE": "default",
        "SHUTDOWN_SECONDS": 0.1,
    }
    session = await open_session()
    report = with_progress(call_of("report", steps=2, door="here"))
    stream = await session.open_post(report)
    await arrival(door)
    left = await session.open_post(report | {"id": 2})
    primed = await left.read_event()
    await arrival(door)
    await left.go_away()

    await shut_down(stream)

    await left.close()
    answer: Any = messages_of(stream.response)[-1]
    assert (answer["id"], answer["error"]["code"]) == (1, -32603)
    kept = await replay(session_of(session).key, primed.id)
    last = json.loads(kept.events[-1][1])
    assert (last["id"], last["error"]["code"]) == (2, -32603)
    assert kept.is_ended


def session_of(session: Session) -> HTTPSession:
    """Read the id of a session."""
    read = read_session_id(session.headers["mcp-session-id"])
    assert read is not None
    return read


async def test_calls_of_sessions_end_without_an_answer(door: Door) -> None:
    """Chosen: as above."""
    session = await open_session("2025-03-26")
    calls = [
        session.begin_post(HOLD),
        session.begin_post([HOLD | {"id": 2}]),
        session.begin_post(HOLD | {"id": 3}, accept=JSON_ONLY),
    ]
    for _ in calls:
        await arrival(door)

    await shut_down(*calls)

    assert messages_of(calls[0].response) == []
    assert messages_of(calls[1].response) == []
    assert calls[2].response.status == 503
    assert runs.cancelled == ["hold"] * 3


async def test_call_that_goes_on_without_its_client_is_cancelled(door: Door) -> None:
    """Chosen: Daphne does not know of it any more, but its worker does."""
    session = await open_session()
    call = session.begin_post(HOLD)
    await arrival(door)
    await call.go_away()

    await shut_down()
    await call.close()

    assert runs.cancelled == ["hold"]


async def test_stream_of_notices_ends_gracefully() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Graceful Closure"."""
    session = await open_session()
    listening = await open_modern(LISTEN)
    await read_message(listening)
    standalone = await session.get()

    await shut_down(listening, standalone)

    result: Any = messages_of(listening.response)[-1]
    assert result["result"]["resultType"] == "complete"
    assert messages_of(standalone.response) == []


async def test_ended_exchanges_do_not_answer_twice() -> None:
    """Chosen: `Connection` fails if they do."""
    listening = await open_modern(LISTEN)
    await read_message(listening)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(current_worker().close_all)
        await listening.wait_for_end()
        await listening.be_cancelled()

    assert len(messages_of(listening.response)) == 2


# What runs gets some time -----------------------------------------------------------


async def test_calls_that_run_are_answered(door: Door, settings: Settings) -> None:
    """We promise it: in `MCP["SHUTDOWN_SECONDS"]`; meanwhile nothing new begins, and
    what is idle ends at once."""
    settings.MCP = {"AUTHENTICATION": [], "SHUTDOWN_SECONDS": PATIENCE_SECONDS}
    listening = await open_modern(LISTEN)
    await read_message(listening)
    session = await open_session()
    standalone = await session.get()
    modern = begin_modern(HOLD)
    legacy = session.begin_post(HOLD | {"id": 7})
    for _ in range(2):
        await arrival(door)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(current_worker().close_all)
        for idle in (listening, standalone):
            await finish(idle)
        refused = await post_modern(call_of("add", a=1))
        door.open()

        assert text_of((await finish(modern)).json()) == "1"
        assert text_of((await finish(legacy)).json()) == "7"
    assert refused.error() == (503, -32600, "the server is being shut down; try again")
    assert refused.header("retry-after") == "1"
    assert len(current_worker().connections) == 0


async def test_streams_end_when_their_calls_are_answered(
    door: Door, settings: Settings
) -> None:
    """We promise it: HTTP+SSE; further requests of the session are refused."""
    settings.MCP = {"AUTHENTICATION": [], "SHUTDOWN_SECONDS": PATIENCE_SECONDS}
    async with open_stream(site) as busy, open_stream(site) as idle:
        await busy.initialize()
        await busy.post(HOLD | {"id": 7})
        await arrival(door)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(current_worker().close_all)
            await idle.connection.wait_for_end()
            await idle.connection.close()
            await busy.post(call_of("add", id=8, a=1))
            refused = await busy.read_message()
            door.open()
            answer = await busy.read_message()
            await busy.connection.wait_for_end()
            await busy.connection.close()
    assert refused["error"]["message"] == (
        "the connection is about to end; connect anew and send the request again"
    )
    assert text_of(answer) == "7"


async def test_websocket_closes_when_its_calls_are_answered(
    door: Door, settings: Settings
) -> None:
    """We promise it: as above."""
    settings.MCP = {"AUTHENTICATION": [], "SHUTDOWN_SECONDS": PATIENCE_SECONDS}
    async with open_websocket(site) as websocket:
        await websocket.initialize()
        websocket.send(HOLD | {"id": 7})
        await arrival(door)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(current_worker().close_all)
            await anyio.wait_all_tasks_blocked()
            websocket.send(call_of("add", id=8, a=1))
            assert (await websocket.receive())["error"]["code"] == -32603
            door.open()
            assert text_of(await websocket.receive()) == "7"
            assert await websocket.receive() == Closed(1001, "")


async def test_what_is_left_is_said_in_one_line(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: how many calls, of which tools and users."""
    calls = [begin_modern(HOLD) for _ in range(3)]
    for _ in calls:
        await arrival(door)

    await shut_down()

    assert [record.getMessage() for record in caplog.records] == [
        "the process ends, and 3 calls are not over: "
        "3 times tools/call 'hold' of user '127.0.0.1'"
    ]
    for call in calls:
        await call.wait_for_end()
