"""Start, call, stream, a slow reader, a disconnect, the end: on every ASGI server."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from tests.live import processes
from tests.live.raw import BOUND, INITIALIZE, INITIALIZED, open_http
from tests.live.raw_http import Answer, Client, Message, ModernClient, open_session
from tests.matrix.servers import OVER_ASGI, Running, running_server
from tests.matrix.settings import SHUTDOWN_SECONDS
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

MEGABYTES = 30


@pytest.fixture(scope="module", params=OVER_ASGI, ids=lambda program: program.name)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Run each server in its turn."""
    with running_server(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running
        begun = time.monotonic()
        processes.stop(running.process)
        assert time.monotonic() - begun < SOON_SECONDS
    assert running.process.returncode == running.program.status
    assert "Traceback" not in running.log.read_text()


async def value_of(client: Client, url: str, tool: str, **arguments: Any) -> int:
    """Call a tool, and give the number that it returned."""
    result = await client.call(url, tool, **arguments)
    return int(result["content"][0]["text"])


async def test_handlers_are_called_in_both_eras(server: Running) -> None:
    """We promise it: in threads and in the event loop."""
    async with open_http() as http:
        client = ModernClient(http)
        session = await open_session(http, server.url)
        assert await value_of(client, server.url, "add", a=1, b=2) == 3
        assert await value_of(client, server.url, "count_users") == 0
        assert await value_of(session, server.url, "add", a=2, b=2) == 4
    async with open_websocket(server.url) as websocket:
        await websocket.call("add", a=3, b=2)
        assert (await websocket.receive())["content"] == [{"type": "text", "text": "5"}]


async def test_events_come_when_they_happen(server: Running) -> None:
    """We promise it: no server holds the first back until the last."""
    async with (
        open_http() as http,
        ModernClient(http).open_call(
            server.url, "wait", seconds=0.5, with_progress=True
        ) as answer,
    ):
        begun = time.monotonic()
        first = await answer.receive()
        came = time.monotonic()
        await answer.receive_all()
        ended = time.monotonic()
    assert first["method"] == "notifications/progress"
    assert came - begun < ended - came


async def test_changes_are_told(server: Running) -> None:
    """We promise it."""
    async with open_http() as http:
        client = ModernClient(http)
        async with client.listen(server.url, toolsListChanged=True) as stream:
            await client.call(server.url, "change")
            told = await stream.receive()
    assert told["method"] == "notifications/tools/list_changed"


async def test_slow_readers_get_everything_and_hold_up_nobody(server: Running) -> None:
    """We promise it: what they have not read is kept once, and no server copies it."""
    async with open_http() as http:
        client = ModernClient(http)
        before = server.resident_bytes
        async with (
            client.open_call(server.url, "large", megabytes=MEGABYTES) as answer,
            client.open_call(server.url, "large", megabytes=MEGABYTES) as other,
        ):
            for _ in range(20):
                assert await value_of(client, server.url, "add", a=1, b=2) == 3
            taken = server.resident_bytes - before
            for one in (answer, other):
                body = b"".join([piece async for piece in one.response.aiter_raw()])
                assert body.count(b"x") >= MEGABYTES * 1_000_000
    assert taken < 2 * 2 * MEGABYTES * 1_000_000


async def test_handler_ends_when_its_client_goes(server: Running) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"."""
    async with open_http() as http:
        client = ModernClient(http)
        before = await value_of(client, server.url, "count", name="cancelled")
        async with client.open_call(
            server.url, "wait", seconds=600, with_progress=True
        ) as answer:
            await answer.receive()
        with anyio.fail_after(BOUND):
            while (
                await value_of(client, server.url, "count", name="cancelled") == before
            ):
                pass  # each look is a request


async def test_end_of_the_process(
    server: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """We promise it: idle streams end, calls that run are answered, and it is quick."""
    program = server.program
    folder = tmp_path_factory.mktemp("ending")
    with running_server(program, folder) as ending:
        async with (
            open_http() as http,
            open_websocket(ending.url) as websocket,
            ModernClient(http).listen(ending.url, toolsListChanged=True) as stream,
            ModernClient(http).open_call(
                ending.url, "wait", seconds=1, with_progress=True
            ) as call,
        ):
            await websocket.call("wait", seconds=1)
            await call.receive()
            assert (await http.get(ending.ready)).status_code == 200
            begun = time.monotonic()
            ending.process.terminate()
            assert await _ends(stream, "result")
            if program.listens_to_the_end:
                assert (await http.get(ending.ready)).status_code == 503
            assert await _ends(call, "result")
            assert await websocket.is_answered_and_closed() == program.closes_websockets
        processes.wait_until(lambda: ending.process.poll() is not None)
        seconds = time.monotonic() - begun
    assert seconds < SOON_SECONDS
    assert ending.process.returncode == program.status
    assert "Traceback" not in ending.log.read_text()


async def test_calls_have_their_time_at_the_end(
    server: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """We promise it: `SHUTDOWN_SECONDS`, then they are broken off, and said."""
    folder = tmp_path_factory.mktemp("breaking-off")
    with running_server(server.program, folder) as ending:
        async with (
            open_http() as http,
            ModernClient(http).open_call(
                ending.url, "wait", seconds=600, with_progress=True
            ) as call,
        ):
            await call.receive()
            begun = time.monotonic()
            ending.process.terminate()
            assert await call.receive_all() == []
        processes.wait_until(lambda: ending.process.poll() is not None)
        seconds = time.monotonic() - begun
    assert SHUTDOWN_SECONDS < seconds < SHUTDOWN_SECONDS + SOON_SECONDS
    assert "tools/call 'wait'" in ending.log.read_text()
    assert "Traceback" not in ending.log.read_text()


class WebSocketClient:
    """A session over a WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def open(self) -> None:
        """Open the session."""
        await self._send(INITIALIZE)
        await self.receive()
        await self._send(INITIALIZED)

    async def call(self, tool: str, **arguments: Any) -> None:
        """Call a tool, and wait for nothing."""
        params = {"name": tool, "arguments": arguments}
        await self._send(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        )

    async def receive(self) -> Message:
        """Wait for a result."""
        with anyio.fail_after(BOUND):
            result: Message = json.loads(await self._connection.recv())["result"]
        return result

    async def is_answered_and_closed(self) -> bool:
        """Say whether the result comes, and then the close of a server that goes."""
        try:
            await self.receive()
            with anyio.fail_after(BOUND):
                await self._connection.wait_closed()
        except ConnectionClosed:
            return False
        return self._connection.close_code == CloseCode.GOING_AWAY

    async def _send(self, message: Message) -> None:
        await self._connection.send(json.dumps(message))


@asynccontextmanager
async def open_websocket(url: str) -> AsyncIterator[WebSocketClient]:
    """Open a session over a WebSocket."""
    address = url.replace("http", "ws", 1) + "/mcp"
    async with connect(address, subprotocols=[Subprotocol("mcp")]) as connection:
        client = WebSocketClient(connection)
        await client.open()
        yield client


async def _ends(answer: Answer, member: str) -> bool:
    """Say whether an answer ends as HTTP wants it, with a result."""
    try:
        messages = await answer.receive_all()
    except httpx2.TransportError:
        return False
    return any(member in message for message in messages)
