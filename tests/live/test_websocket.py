"""WebSockets on a real Daphne, with a client that nobody here wrote."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp import ClientSession
from mcp_types import TextContent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.streams import open_streams
from tests.live import processes
from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, INITIALIZE, INITIALIZED
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

MEBIBYTE = 1024 * 1024
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Client(Transport):
    """The client's half, on the `websockets` library."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self._connection = connection

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to read frames."""
        tasks.start_soon(self._read)

    async def send(self, message: Message) -> None:
        """Send a message as a text frame."""
        await self._connection.send(jsonrpc.serialize(message).decode())

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _read(self) -> None:
        async for frame in self._connection:
            assert isinstance(frame, str)
            await self.deliver(frame.encode(), Sender())
        self.on_close()


def address(site: Daphne, path: str = "/mcp") -> str:
    """Give the URL of the site's endpoint."""
    return site.url.replace("http", "ws", 1) + path


@asynccontextmanager
async def connected(site: Daphne) -> AsyncIterator[ClientSession]:
    """Open a session with the official SDK's session over a WebSocket."""
    subprotocols = [Subprotocol("mcp")]
    async with (
        connect(address(site), subprotocols=subprotocols) as connection,
        open_streams(Client(connection)) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        assert connection.subprotocol == "mcp"
        await session.initialize()
        yield session


async def send(connection: ClientConnection, message: Any) -> None:
    """Send a message."""
    await connection.send(json.dumps(message))


async def receive(connection: ClientConnection) -> Any:
    """Wait for a message."""
    with anyio.fail_after(BOUND):
        return json.loads(await connection.recv())


def call(id: int, name: str, **arguments: Any) -> dict[str, Any]:
    """Make a tool call."""
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


async def test_both_eras_work_over_a_websocket(site: Daphne) -> None:
    """Spec: 2025-11-25 basic/transports, "Custom Transports"; 2026-07-28
    basic/versioning."""
    async with connected(site) as session:
        listed = await session.list_tools()
        result = await session.call_tool("add", {"a": 1, "b": 2})
    async with connect(address(site, "/mcp/")) as connection:
        params = {"_meta": META}
        discover = {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}
        await send(connection, {**discover, "params": params})
        discovered = await receive(connection)
        request = call(2, "add", a=3, b=4)
        request["params"] |= params
        await send(connection, request)
        modern = await receive(connection)

    assert "add" in {tool.name for tool in listed.tools}
    assert result.structured_content == {"result": 3}
    assert "2026-07-28" in discovered["result"]["supportedVersions"]
    assert modern["result"]["structuredContent"] == 7


async def test_handshake_is_refused_with_its_reason(tmp_path: Path) -> None:
    """We promise it: Daphne itself can say 403 only. Nothing of it is an error."""
    cases: list[tuple[str, dict[str, str], int]] = [
        ("/mcp", {}, 401),
        ("/mcp", {"Origin": "http://evil.example"}, 403),
        ("/elsewhere", {}, 404),
        ("/mcp/sse", {}, 404),
    ]
    answers = []
    with running_daphne(tmp_path, settings="tests.live.settings") as site:
        for path, headers, _ in cases:
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address(site, path), additional_headers=headers):
                    pass
            answers.append(caught.value.response)
        log = site.log.read_text()

    assert [answer.status_code for answer in answers] == [case[2] for case in cases]
    assert answers[0].headers["WWW-Authenticate"] == 'Bearer realm="mcp"'
    assert json.loads(answers[0].body or b"") == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32600, "message": "Authentication required"},
    }
    assert "Traceback" not in log
    assert "WSREJECT" in log


async def test_connections_close_at_sigterm(tmp_path: Path) -> None:
    """We promise it: at once, with 1001, whatever runs."""
    with running_daphne(tmp_path) as site:
        async with connect(address(site)) as connection:
            await send(connection, INITIALIZE)
            await receive(connection)
            await send(connection, INITIALIZED)
            await send(connection, call(1, "slow_echo", text="", delay=60))
            await send(connection, call(2, "add", a=1, b=1))
            await receive(connection)
            site.terminate()
            with (
                anyio.fail_after(SOON_SECONDS),
                pytest.raises(ConnectionClosed) as caught,
            ):
                await connection.recv()
        assert site.process.wait(timeout=BOUND) == 0
        assert "Traceback" not in site.log.read_text()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001


async def test_client_that_reads_nothing_costs_little(tmp_path: Path) -> None:
    """We promise it: of 100 results of a megabyte only those are kept whose handlers
    ran already, at most 32 at a time, and they all come when they are read."""
    with running_daphne(tmp_path) as site:
        async with (
            connected(site) as other,
            connect(address(site), max_queue=1, compression=None) as idle,
        ):
            await send(idle, INITIALIZE)
            await receive(idle)
            await send(idle, INITIALIZED)
            await other.call_tool("big_text", {"size": 1_000_000})
            before = processes.resident_bytes(site.pid)
            for id in range(100):
                await send(idle, call(id, "big_text", size=1_000_000))
            peak = 0
            with anyio.fail_after(BOUND):
                for number in range(100):
                    result = await other.call_tool("echo", {"text": str(number)})
                    assert result.content == [TextContent(text=str(number))]
                    peak = max(peak, processes.resident_bytes(site.pid))
            ids = {(await receive(idle))["id"] for _ in range(100)}
    assert peak - before < 48 * MEBIBYTE
    assert ids == set(range(100))


async def test_message_that_is_too_large_closes(site: Daphne) -> None:
    """RFC 6455, section 7.4.1; 16 MiB, and not Daphne's own 1 MiB."""
    text = "x" * 3 * MEBIBYTE
    async with connect(address(site), max_size=None) as connection:
        await send(connection, INITIALIZE)
        await receive(connection)
        await send(connection, INITIALIZED)
        await send(connection, call(1, "add", a=1, b=1, note=text))
        assert (await receive(connection))["id"] == 1
        with anyio.fail_after(BOUND), pytest.raises(ConnectionClosed) as caught:
            await connection.send("x" * (16 * MEBIBYTE + 1))
            await connection.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
