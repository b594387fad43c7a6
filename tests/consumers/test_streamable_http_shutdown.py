"""The end of the process: Daphne cancels its exchanges before they are closed."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from pytest_django import Settings

from mcp_django.sessions.event_store import replay
from mcp_django.sessions.http_sessions import HTTPSession, read_session_id
from mcp_django.sessions.worker import current_worker
from tests.consumers.connections import Connection
from tests.consumers.shop import runs
from tests.consumers.streamable import (
    JSON_ONLY,
    Session,
    arrival,
    begin_modern,
    call_of,
    messages_of,
    open_modern,
    open_session,
    progress,
    read_message,
    with_progress,
)
from tests.site.mcp import Door

pytestmark = pytest.mark.usefixtures("without_authentication")
HOLD = call_of("hold", door="here")
LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}},
}


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
    settings.MCP = {"AUTHENTICATION": [], "EVENT_STORE_CACHE": "default"}
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
