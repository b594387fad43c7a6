"""The load: clients that do as little as possible, on plain sockets."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

CALL = (
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call",'
    b'"params":{"name":"add","arguments":{"a":1,"b":2}}}'
)
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":'
    b'"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}'
)
_TIMEOUT = 30.0


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

    def close(self) -> None:
        """Close both connections."""
        self.stream_writer.close()
        self.posts.close()


async def measure(port: int, path: str, *, sessions: int, seconds: float) -> float:
    """Count round trips per second of so many sessions side by side."""
    clients = [await SSEClient.connect(port, path) for _ in range(sessions)]
    if not path.startswith("/raw/"):
        await asyncio.gather(*(client.initialize() for client in clients))
    end = time.perf_counter() + seconds

    async def work(client: SSEClient) -> int:
        count = 0
        while time.perf_counter() < end:
            count += 1
            await client.round_trip(CALL % count)
        return count

    began = time.perf_counter()
    async with asyncio.timeout(seconds + _TIMEOUT):
        counts = await asyncio.gather(*(work(client) for client in clients))
    elapsed = time.perf_counter() - began
    for client in clients:
        client.close()
    return sum(counts) / elapsed


def _head(method: str, url: str, port: int) -> bytes:
    return f"{method} {url} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
