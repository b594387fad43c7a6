"""POST /mcp in versions with sessions: requests, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio.lowlevel
import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django import Server
from mcp_django.protocol import versions
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Connection, make_scope, site_of
from tests.consumers.credentials import token_of
from tests.consumers.shop import Patience, patience, runs
from tests.consumers.streamable import (
    BOTH,
    JSON_ONLY,
    STREAM_ONLY,
    arrival,
    call_of,
    events_of,
    finish,
    messages_of,
    open_session,
    progress,
    shop,
    standalone,
    text_of,
    tick,
    with_progress,
)
from tests.patience import PATIENCE_SECONDS
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


# Answers ----------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY)
async def test_request_is_answered_as_json(version: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    session = await open_session(version)

    response = await session.post(ADD)

    assert response.status == 200
    assert response.header("content-type") == "application/json"
    assert response.header("mcp-session-id") is None
    answer = response.json()
    assert (answer["id"], text_of(answer)) == (1, "3")
    assert ("structuredContent" in answer["result"]) == (version >= "2025-06-18")


@open_to_all
async def test_ping_is_answered() -> None:
    """Spec: 2025-11-25 basic/utilities/ping."""
    session = await open_session()

    assert (await session.post(PING)).json() == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {},
    }


@open_to_all
@pytest.mark.parametrize("method", ["lost", "server/discover/", "subscriptions"])
async def test_unknown_method_is_an_error_in_a_good_response(method: str) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; 2025-11-25 basic/transports: a request is
    answered with JSON or a stream."""
    session = await open_session()

    response = await session.post(PING | {"method": method})

    assert response.status == 200
    assert response.json()["error"]["code"] == -32601


@open_to_all
@pytest.mark.parametrize(
    "message",
    [
        INITIALIZED,
        {"jsonrpc": "2.0", "method": "notifications/lost", "params": {}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
        {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": {}},
        },
        {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": 10**30},
        },
    ],
)
async def test_notification_is_accepted(message: Any) -> None:
    """Spec: 2025-11-25 basic/transports: 202 without a body."""
    session = await open_session()

    response = await session.post(message)

    assert (response.status, response.body) == (202, b"")


@open_to_all
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"\xff", -32700),
        (b"[" * 10_000, -32700),
        (b'"\\ud800"', -32700),
        (b"7" * 5000, -32700),
        (b'{"a":NaN}', -32700),
        (b"{}", -32600),
        (b"[]", -32600),
        (b"[1]", -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_body_that_is_no_message_is_refused(body: bytes, code: int) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; the session lives on."""
    session = await open_session()

    response = await session.post(body)

    assert response.error()[:2] == (400, code)
    assert await session.ask("ping") == {}


@open_to_all
async def test_malformed_request_is_refused_with_its_id() -> None:
    """Spec: JSON-RPC 2.0, section 5: the id, if it can be read."""
    session = await open_session()

    response = await session.post({"jsonrpc": "2.0", "id": 7, "method": 7})

    answer = response.json()
    assert (response.status, answer["id"]) == (400, 7)
    assert answer["error"]["code"] == -32600


@open_to_all
@pytest.mark.parametrize("tool", ["fail", "leave_python", "break_text"])
async def test_handler_that_fails_is_a_neutral_tool_error(tool: str) -> None:
    """Chosen: what went wrong is in the log."""
    session = await open_session()

    answer = (await session.post(call_of(tool))).json()

    assert answer["result"]["isError"] is True
    assert text_of(answer) == "Internal error"
    assert await session.ask("ping") == {}


# Streams ----------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY)
async def test_progress_is_on_the_stream_of_its_call_before_the_result(
    version: str,
) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    session = await open_session(version)

    response = await session.post(with_progress(call_of("report", steps=2)))

    first, second, answer = messages_of(response)
    assert [first, second] == [progress(1, 2), progress(2, 2)]
    assert (answer["id"], text_of(answer)) == (1, "reported")
    # Without an event store there is nothing to come back with.
    assert all(event.id == "" for event in events_of(response))


@open_to_all
async def test_stream_of_one_call_has_nothing_of_another(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, "Multiple Connections"."""
    session = await open_session()
    message = with_progress(call_of("report", steps=2, door="here"))
    one = await session.open_post(message)
    two = await session.open_post(message | {"id": 2})
    door.open()

    answers = [messages_of(await finish(stream))[-1]["id"] for stream in (one, two)]

    assert answers == [1, 2]


@open_to_all
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (JSON_ONLY, "application/json"),
        ("*/*", "application/json"),
        (STREAM_ONLY, "text/event-stream; charset=utf-8"),
    ],
)
async def test_answer_is_of_a_type_that_the_client_takes(
    accept: str, content_type: str
) -> None:
    """Spec: RFC 9110, 12.5.1."""
    session = await open_session()

    for message in (ADD, PING):
        response = await session.post(message, accept=accept)
        assert response.header("content-type") == content_type
    assert (await session.post(ADD, accept="text/html")).status == 406


async def test_silent_call_becomes_a_stream_that_is_kept_alive(
    settings: Settings, door: Door
) -> None:
    """Chosen: MCP["STREAM_AFTER_SECONDS"], MCP["KEEP_ALIVE_SECONDS"]."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "STREAM_AFTER_SECONDS": 1e-9,
        "KEEP_ALIVE_SECONDS": 1e-9,
    }
    session = await open_session()
    stream = session.begin_post(HOLD)
    await arrival(door)
    await tick()
    await tick()
    assert await stream.read_chunk() == b": keep-alive\r\n\r\n"
    door.open()

    [answer] = messages_of(await finish(stream))
    assert text_of(answer) == "1"


# Cancellation -----------------------------------------------------------------------


@open_to_all
async def test_cancelled_call_ends_without_an_answer(door: Door) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    session = await open_session()
    call = session.begin_post(HOLD)
    await arrival(door)

    assert (await session.cancel(1)).status == 202
    response = await finish(call)

    assert messages_of(response) == []
    assert runs.cancelled == ["hold"]
    assert len(current_worker().connections) == 0


@open_to_all
async def test_other_calls_are_not_cancelled(door: Door) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation; ids are the session's own."""
    session, other = await open_session(), await open_session()
    calls = [
        session.begin_post(HOLD | {"id": 2}),
        session.begin_post(HOLD | {"id": "1"}),
        other.begin_post(HOLD),
    ]
    for _ in calls:
        await arrival(door)

    assert (await session.cancel(1)).status == 202
    door.open()

    answers = [text_of((await finish(call)).json()) for call in calls]
    assert answers == ["2", "1", "1"]


@open_to_all
async def test_what_a_thread_returns_is_dropped_when_its_call_is_cancelled() -> None:
    """Chosen: threads cannot be cancelled, but they can look whether they should."""
    mine = patience["cancelled"] = Patience()
    session = await open_session()
    call = session.begin_post(call_of("work", name="cancelled"))
    await asyncio.to_thread(mine.has_begun.wait, 10)

    await session.cancel(1)
    response = await finish(call)
    mine.may_go_on.set()
    assert await asyncio.to_thread(mine.has_ended.wait, 10)

    del patience["cancelled"]
    assert messages_of(response) == []
    assert mine.was_cancelled


@open_to_all
async def test_handler_that_swallows_its_cancellation_is_not_answered() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: no response is sent."""
    server = Server("stubborn")
    has_begun = anyio.Event()

    @server.tool
    async def stay() -> str:
        """Stay to the end."""
        has_begun.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
        return "stayed"

    session = await open_session(application=site_of(server))
    call = session.begin_post(call_of("stay"))
    await has_begun.wait()
    await session.cancel(1)

    assert messages_of(await finish(call)) == []


@open_to_all
async def test_cancellation_of_what_is_answered_already_does_nothing() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Timing Considerations"."""
    session = await open_session()
    await session.post(ADD)

    assert (await session.cancel(1)).status == 202
    assert text_of((await session.post(ADD)).json()) == "3"


@open_to_all
async def test_disconnect_cancels_nothing(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports: not interpreted as cancelling."""
    session = await open_session()
    call = session.begin_post(HOLD)
    await arrival(door)

    await call.go_away()
    assert runs.cancelled == []
    assert len(current_worker().connections) == 1
    door.open()
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(current_worker().connections):
            await anyio.lowlevel.checkpoint()

    assert call.response.body == b""
    assert runs.cancelled == []


@open_to_all
async def test_call_can_be_cancelled_after_its_connection_is_gone(door: Door) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    session = await open_session()
    call = session.begin_post(HOLD)
    await arrival(door)
    await call.go_away()

    await session.cancel(1)
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(current_worker().connections):
            await anyio.lowlevel.checkpoint()

    assert runs.cancelled == ["hold"]


async def test_end_of_the_worker_ends_calls(door: Door, settings: Settings) -> None:
    """Chosen: clients see the end of the body, and no answer."""
    settings.MCP = {"AUTHENTICATION": [], "SHUTDOWN_SECONDS": 0}
    session = await open_session()
    call = session.begin_post(HOLD)
    json_only = session.begin_post(HOLD | {"id": 2}, accept=JSON_ONLY)
    left = session.begin_post(HOLD | {"id": 3})
    for _ in range(3):
        await arrival(door)
    await left.go_away()

    await current_worker().close_all()

    assert messages_of(await finish(call)) == []
    assert (await finish(json_only)).status == 503
    assert runs.cancelled == ["hold"] * 3


# Limits -----------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [BOTH, JSON_ONLY])
async def test_one_call_too_many_of_a_user_is_refused(
    settings: Settings, ada: User, door: Door, accept: str
) -> None:
    """Chosen: MCP["MAX_CALLS_PER_USER"]; whatever needs no handler is always taken."""
    settings.MCP = {"MAX_CALLS_PER_USER": 1, "MAX_STREAMS_PER_USER": 1}
    session = await open_session("2025-03-26", headers=await token_of(ada))
    call = session.begin_post(HOLD)
    await arrival(door)

    ping = PING | {"id": 2}
    refused = [
        await session.post(message, accept=accept)
        for message in (ADD, [ADD], [ping, ADD], [ADD, ping])
    ]
    assert {response.error()[:2] for response in refused} == {(503, -32600)}
    assert (await session.post([ping], accept=accept)).status == 200
    assert await session.ask("ping") == {}
    async with standalone(session):
        pass
    await session.cancel(1)
    await finish(call)

    assert (await session.post(ADD)).status == 200


# Anything at all --------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
envelopes = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | json_values},
    optional={
        "id": st.integers() | st.text() | json_values,
        "method": st.sampled_from(
            [
                "initialize",
                "ping",
                "tools/call",
                "tools/list",
                "resources/subscribe",
                "logging/setLevel",
                "notifications/cancelled",
            ]
        )
        | json_values,
        "params": st.dictionaries(
            st.sampled_from(
                ["name", "arguments", "_meta", "cursor", "requestId", "uri", "level"]
            ),
            st.sampled_from(["add", "confirm", "debug", "shop://stock"]) | json_values,
        )
        | json_values,
        "result": json_values,
        "error": json_values,
    },
)
bodies = (
    st.binary(max_size=200)
    | envelopes.map(lambda value: json.dumps(value).encode())
    | st.lists(envelopes, max_size=3).map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps(value).encode())
)


@open_to_all
@hypothesis_settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    bodies=st.lists(bodies, min_size=1, max_size=5),
    version=st.sampled_from(["2025-03-26", "2025-11-25"]),
)
def test_no_bytes_end_a_session_or_give_a_500(
    bodies: list[bytes], version: str
) -> None:
    """Chosen: whatever is posted is answered or refused, and the session lives on."""

    async def post_all() -> None:
        session = await open_session(version)
        for body in bodies:
            response = await session.post(body)
            assert response.status in (200, 202, 400, 404)
        assert await session.ask("ping") == {}
        assert len(current_worker().connections) == 0

    anyio.run(post_all)


@open_to_all
@hypothesis_settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                "mcp-session-id",
                "mcp-protocol-version",
                "last-event-id",
                "accept",
                "mcp-method",
                "mcp-name",
            ]
        ),
        st.text(st.characters(max_codepoint=255), max_size=20)
        | st.sampled_from([BOTH, "2025-11-25", "2026-07-28"]),
    ),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
)
def test_no_headers_give_a_500(headers: dict[str, str], method: str) -> None:
    """Chosen: servers hand over bytes that are no text."""

    async def send() -> int:
        given = {"content-type": "application/json", **headers}
        scope = make_scope(method, "/mcp", given)
        return (await finish(Connection(shop, scope, b"{}"))).status

    assert anyio.run(send) in (400, 404, 405, 406)
