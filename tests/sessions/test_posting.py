"""Handing posted bodies to a session."""

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.server import Server
from mcp_django.sessions.posting import take
from mcp_django.sessions.registry import OpenSession
from mcp_django.transports.base import Sender
from mcp_django.worker.acknowledgement import ACCEPTED, FULL, NOT_FOUND
from tests.sessions.opening import Stream, body_of, initialize, open_session

CALL = body_of("tools/call", {"name": "wait"})


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    async def wait() -> None:
        await anyio.sleep_forever()

    return server


async def post(opened: OpenSession, body: bytes, **options: Any) -> tuple[int, Any]:
    sender = Sender(size=len(body))
    options.setdefault("room_timeout", 0.01)
    taken = await take(opened, body, sender, **options)
    return taken.status, json.loads(taken.body) if taken.body else None


async def test_message_is_taken_before_its_handler_has_run(server: Server) -> None:
    """Our choice: clients give a POST five seconds."""
    opened = open_session("one", server)
    await initialize(opened)
    assert await take(opened, CALL, Sender(), room_timeout=1) == ACCEPTED
    assert opened.session is not None
    await opened.session.end()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"hello", -32700),
        (b"\xff", -32700),
        (b"[" * 10_000 + b"]" * 10_000, -32700),
        (b"null", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
    ],
)
async def test_what_is_no_message_is_refused_and_the_session_lives_on(
    server: Server, body: bytes, code: int
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; 2025-11-25 basic/transports: the error has no
    id."""
    stream = Stream()
    opened = open_session("one", server, stream=stream)
    await initialize(opened)
    status, error = await post(opened, body)
    assert (status, error["id"], error["error"]["code"]) == (400, None, code)
    assert await post(opened, body_of("ping", id="p")) == (202, None)
    assert stream.sent[-1] == jsonrpc.result("p", {})


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=100))
async def test_arbitrary_bytes_never_end_a_session(server: Server, body: bytes) -> None:
    """Our choice: whatever a client posts, it is taken or refused."""
    opened = open_session("one", server)
    await initialize(opened)
    status, _ = await post(opened, body)
    assert status in (202, 400)
    assert await post(opened, body_of("ping", id="p")) == (202, None)


async def test_longest_id_and_largest_method_are_taken(server: Server) -> None:
    """Our choice: their answers fit into an event, whatever the limit is."""
    stream = Stream()
    opened = open_session("one", server, stream=stream)
    await initialize(opened)
    body = body_of("x" * 1_000_000, id="y" * jsonrpc.MAX_ID_CHARACTERS)
    assert await post(opened, body) == (202, None)
    assert stream.sent[-1] == jsonrpc.error(
        "y" * jsonrpc.MAX_ID_CHARACTERS, -32601, f"unknown method: {'x' * 100}"
    )


async def test_request_without_room_is_refused_after_a_while(
    server: Server, settings: Any
) -> None:
    """Our choice: 503, the last resort."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    opened = open_session("one", server)
    await initialize(opened)
    for id in (1, 2):
        body = body_of("tools/call", {"name": "wait"}, id=id)
        assert await post(opened, body) == (202, None)
    body = body_of("tools/call", {"name": "wait"}, id=3)
    assert await take(opened, body, Sender(), room_timeout=0.01) == FULL
    for message in (
        body_of("ping", id="p"),
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","id":"ask-1","result":{}}',
    ):
        assert await post(opened, message) == (202, None)
    assert opened.session is not None
    await opened.session.end()


async def test_request_is_taken_when_there_is_room_in_time(
    server: Server, settings: Any
) -> None:
    """Our choice: `ROOM_TIMEOUT`; official clients do not try again."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    opened = open_session("one", server)
    await initialize(opened)
    for id in (1, 2):
        await post(opened, body_of("tools/call", {"name": "wait"}, id=id))
    taken: list[int] = []

    async def post_third() -> None:
        body = body_of("tools/call", {"name": "wait"}, id=3)
        taken.append((await post(opened, body, room_timeout=5))[0])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post_third)
        await anyio.wait_all_tasks_blocked()
        assert taken == []
        cancel = jsonrpc.notification("notifications/cancelled", {"requestId": 2})
        await post(opened, jsonrpc.serialize(cancel))
    assert taken == [202]
    assert opened.session is not None
    await opened.session.end()


async def test_batch_is_taken_message_by_message(server: Server, settings: Any) -> None:
    """Spec: 2025-03-26 basic, "Batching". Its messages share its bytes, as far as room
    goes."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX_BYTES": 1000}
    opened = open_session("one", server)
    await initialize(opened, "2025-03-26")
    calls = [body_of("tools/call", {"name": "wait"}, id=id) for id in range(10)]
    batch = b"[%b]" % b",".join(calls)
    assert len(batch) < 1000
    assert await post(opened, batch) == (202, None)
    assert opened.session is not None
    assert not opened.session.room.is_full
    await opened.session.end()


async def test_program_that_drives_a_stream_by_itself_bounds_itself(
    server: Server,
) -> None:
    """Our choice: there is no room of ours to look at."""
    received: list[Message] = []

    async def receive(message: Message, sender: Sender) -> None:
        received.append(message)

    opened = replace(open_session("one", server), session=None)
    opened.transport.on_message = receive
    assert await post(opened, CALL) == (202, None)
    assert [jsonrpc.serialize(message) for message in received] == [CALL]


async def test_session_that_has_just_ended_is_not_found(server: Server) -> None:
    """Our choice: between finding it and handing over, its stream may end."""
    opened = open_session("one", server)
    await initialize(opened)
    await opened.transport.close()
    for body in (CALL, body_of("ping")):
        assert await take(opened, body, Sender(), room_timeout=1) == NOT_FOUND


async def test_session_that_ends_while_a_post_waits_for_room_is_not_found(
    server: Server, settings: Any
) -> None:
    """Our choice: nothing is taken by a session that has ended."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    opened = open_session("one", server)
    await initialize(opened)
    for id in (1, 2):
        await post(opened, body_of("tools/call", {"name": "wait"}, id=id))
    statuses: list[int] = []

    async def post_third() -> None:
        body = body_of("tools/call", {"name": "wait"}, id=3)
        statuses.append((await post(opened, body, room_timeout=5))[0])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post_third)
        await anyio.wait_all_tasks_blocked()
        await opened.transport.close()
        assert opened.session is not None
        await opened.session.end()
    assert statuses == [404]
