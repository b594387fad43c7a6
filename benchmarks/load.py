"""The load: clients that do as little as possible, on plain sockets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

CALL = (
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call",'
    b'"params":{"name":"add","arguments":{"a":1,"b":2}}}'
)
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":'
    b'"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}'
)
MODERN_CALL = (
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"add",'
    b'"arguments":{"a":1,"b":2},"_meta":{"io.modelcontextprotocol/protocolVersion":'
    b'"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},'
    b'"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}}}'
)
MODERN_HEADERS = (
    b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: add\r\n"
)
_TIMEOUT = 30.0

Era: TypeAlias = Literal["modern", "legacy"]


class Client(Protocol):
    """One client, which calls one thing after the other."""

    async def call(self, id: int) -> None:
        """Call `add` and wait for the answer."""

    def close(self) -> None:
        """Close its connections."""


@dataclass(slots=True)
class HTTPClient:
    """One connection over Streamable HTTP, which is kept alive."""

    answers: asyncio.StreamReader
    posts: asyncio.StreamWriter
    head: bytes
    template: bytes

    @classmethod
    async def connect(cls, port: int, path: str, era: Era) -> HTTPClient:
        """Connect, and open a session in the legacy era."""
        answers, posts = await asyncio.open_connection("127.0.0.1", port)
        head = _head("POST", path, port) + (
            b"Content-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\n"
        )
        client = cls(answers, posts, head, CALL)
        if era == "modern":
            client.head += MODERN_HEADERS
            client.template = MODERN_CALL
        else:
            found = re.search(
                rb"mcp-session-id: (\S+)", await client._post(INITIALIZE), re.IGNORECASE
            )
            if found is not None:  # The raw application has no sessions.
                client.head += b"Mcp-Session-Id: %b\r\n" % found[1]
        return client

    async def call(self, id: int) -> None:
        """Call `add` and wait for the answer."""
        await self._post(self.template % id)

    def close(self) -> None:
        """Close the connection."""
        self.posts.close()

    async def _post(self, body: bytes) -> bytes:
        self.posts.write(
            b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body)
        )
        head = await self.answers.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert found is not None, head
        body = await self.answers.readexactly(int(found[1]))
        assert b'"result"' in body, body
        return head


@dataclass(slots=True)
class SSEClient:
    """One session: a stream to read, and a connection to post on."""

    stream: asyncio.StreamReader
    stream_writer: asyncio.StreamWriter
    answers: asyncio.StreamReader
    posts: asyncio.StreamWriter
    head: bytes

    @classmethod
    async def connect(cls, port: int, path: str) -> SSEClient:
        """Open the stream and learn where to post."""
        stream, stream_writer = await asyncio.open_connection("127.0.0.1", port)
        stream_writer.write(_head("GET", path, port) + b"\r\n")
        await stream.readuntil(b"event: endpoint\r\ndata: ")
        url = (await stream.readuntil(b"\r\n")).strip().decode()
        answers, posts = await asyncio.open_connection("127.0.0.1", port)
        head = _head("POST", url, port) + b"Content-Type: application/json\r\n"
        return cls(stream, stream_writer, answers, posts, head)

    async def initialize(self) -> None:
        """Open the session."""
        await self.round_trip(INITIALIZE)

    async def round_trip(self, body: bytes) -> None:
        """Post a request and wait for its answer on the stream."""
        self.posts.write(
            b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body)
        )
        status = await self.answers.readuntil(b"\r\n\r\n")
        assert b" 202 " in status, status
        await self.stream.readuntil(b"event: message\r\ndata: ")
        await self.stream.readuntil(b"\r\n\r\n")

    async def call(self, id: int) -> None:
        """Call `add` and wait for the answer on the stream."""
        await self.round_trip(CALL % id)

    def close(self) -> None:
        """Close both connections."""
        self.stream_writer.close()
        self.posts.close()


async def open_sse(port: int, path: str) -> Client:
    """Open a session over HTTP+SSE."""
    client = await SSEClient.connect(port, path)
    if not path.startswith("/raw"):
        await client.initialize()
    return client


async def measure(
    connect: Callable[[], Awaitable[Client]], *, clients: int, seconds: float
) -> float:
    """Count calls per second of so many clients side by side."""
    connected = [await connect() for _ in range(clients)]
    end = time.perf_counter() + seconds

    async def work(client: Client) -> int:
        count = 0
        while time.perf_counter() < end:
            count += 1
            await client.call(count)
        return count

    began = time.perf_counter()
    async with asyncio.timeout(seconds + _TIMEOUT):
        counts = await asyncio.gather(*(work(client) for client in connected))
    elapsed = time.perf_counter() - began
    for client in connected:
        client.close()
    return sum(counts) / elapsed


def _head(method: str, url: str, port: int) -> bytes:
    return f"{method} {url} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
