"""A client over HTTP+SSE that does as little as it can, so that servers are the limit.

One protocol object reads a stream, another posts. Neither parses what it can do
without: an answer is told by `"result"` in it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import calls
from benchmarks.calls import Call

_ENDPOINT = re.compile(rb"event: endpoint\r?\ndata: (\S+)\r?\n")
_TIMEOUT = 10.0


class Posts(asyncio.Protocol):
    """A connection that posts, one request at a time.

    Args:
        on_taken: Called whenever a POST has been answered with a 202.
    """

    def __init__(self, on_taken: Callable[[], None]) -> None:
        self.on_taken = on_taken
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Count a 202, which may come behind the body of the last one."""
        if b"HTTP/1.1 202" in data:
            self.on_taken()
        elif b"HTTP/" in data:
            raise AssertionError(f"a POST was refused: {data!r}")


class Stream(asyncio.Protocol):
    """The stream of one session.

    Attributes:
        path: Where to post; done when the server has said it.
    """

    def __init__(self) -> None:
        self.path: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.on_answer: Callable[[], None] = _ignore
        self.transport: asyncio.Transport
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what can be closed."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless it ends within an event."""
        data = self._rest + data
        if not data.endswith(b"\n"):
            self._rest = data
            return
        self._rest = b""
        if b'"result"' in data:
            self.on_answer()
        elif not self.path.done() and (found := _ENDPOINT.search(data)):
            self.path.set_result(found[1].decode())
        elif b'"ping"' in data:
            raise AssertionError("the server waits for the answer to a ping")


@dataclass
class Session:
    """An open session.

    Attributes:
        stream: What it is answered on.
        posts: What it posts on.
        call: The bytes of the POST that calls the tool.
    """

    stream: Stream
    posts: Posts
    call: bytes


class Client:
    """Opens sessions with a server.

    Args:
        port: Where streams are opened.
        sse_path: Its path.
        post_port: Where messages are posted; the same if left out.
    """

    def __init__(self, port: int, sse_path: str, post_port: int | None = None) -> None:
        self._port = port
        self._sse_path = sse_path
        self._post_port = post_port or port

    async def open(self, posts: Posts | None = None) -> Session:
        """Open a session and initialize it.

        Args:
            posts: The connection to post on; one of its own if left out.
        """
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(Stream, "127.0.0.1", self._port)
        head = f"GET {self._sse_path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n"
        stream.transport.write(head.encode())
        path = await asyncio.wait_for(stream.path, _TIMEOUT)
        posts = posts or await self.connect()
        for body, wanted in ((calls.initialize(), 2), (calls.initialized(), 1)):
            await _trip(stream, posts, self._post(path, body), wanted)
        return Session(stream, posts, self._post(path, Call("2025-11-25").body))

    async def connect(self) -> Posts:
        """Open a connection to post on."""
        loop = asyncio.get_running_loop()
        _, posts = await loop.create_connection(
            lambda: Posts(_ignore), "127.0.0.1", self._post_port
        )
        return posts

    def _post(self, path: str, body: bytes) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._post_port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def _trip(stream: Stream, posts: Posts, post: bytes, wanted: int) -> None:
    """Post and wait for the 202, and for the answer where there is one."""
    done = asyncio.get_running_loop().create_future()

    def on_part() -> None:
        nonlocal wanted
        wanted -= 1
        if not wanted:
            done.set_result(None)

    stream.on_answer = posts.on_taken = on_part
    posts.transport.write(post)
    await asyncio.wait_for(done, _TIMEOUT)
    stream.on_answer = posts.on_taken = _ignore


async def call_for(sessions: list[Session], seconds: float) -> list[float]:
    """Let each session call its tool again and again.

    Returns:
        Seconds that each round trip took.
    """
    end = time.perf_counter() + seconds
    trips = [_Trips(session, end) for session in sessions]
    for trip in trips:
        trip.begin()
    async with asyncio.timeout(seconds + _TIMEOUT):
        for trip in trips:
            await trip.done
    return [took for trip in trips for took in trip.taken]


class _Trips:
    """The round trips of one session: the next begins when both parts have come."""

    def __init__(self, session: Session, end: float) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.taken: list[float] = []
        self._end = end
        self._waits_for = 0
        self._began = 0.0
        self._write = session.posts.transport.write
        self._call = session.call
        session.stream.on_answer = session.posts.on_taken = self._on_part

    def begin(self) -> None:
        """Post."""
        self._waits_for = 2
        self._began = time.perf_counter()
        self._write(self._call)

    def _on_part(self) -> None:
        self._waits_for -= 1
        if self._waits_for:
            return
        now = time.perf_counter()
        self.taken.append(now - self._began)
        if now < self._end:
            self.begin()
        else:
            self.done.set_result(None)


def _ignore() -> None:
    pass
