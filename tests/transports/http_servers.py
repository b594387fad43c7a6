"""HTTP servers that do as a test says: over sockets, and in the same process."""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
import httpx2
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Transport
from tests.transports.witness import PATIENCE_SECONDS, Witness

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


@asynccontextmanager
async def opened(transport: Transport) -> AsyncIterator[Witness]:
    """Start a transport, close it at the end, and see that nothing of it goes on."""
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            try:
                yield witness
            finally:
                await transport.close()
    assert witness.closed == 1


def event_of(message: Message | bytes, *, id: str = "", retry_ms: int = -1) -> bytes:
    """Write a message, or any data, as an event."""
    data = message if isinstance(message, bytes) else jsonrpc.serialize(message)
    lines = [b"id: " + id.encode()] if id else []
    if retry_ms >= 0:
        lines.append(b"retry: %d" % retry_ms)
    return b"\n".join([*lines, b"data: " + data, b"", b""])


# In the same process ----------------------------------------------------------------


class Stream(httpx2.AsyncByteStream):
    """The body of a response, while it is written.

    Args:
        chunks: Its beginning.
        ends: Whether that is all.
    """

    def __init__(self, *chunks: bytes, ends: bool = False) -> None:
        self._chunks = deque(chunks)
        self._ends = ends
        self._breaks = False
        self._has_news = anyio.Event()
        self._is_left = anyio.Event()

    def write(self, chunk: bytes) -> None:
        """Send more."""
        self._chunks.append(chunk)
        self._has_news.set()

    def end(self) -> None:
        """End it as a server does."""
        self._ends = True
        self._has_news.set()

    def break_off(self) -> None:
        """End it as a network does."""
        self._breaks = True
        self._has_news.set()

    async def wait_until_left(self) -> None:
        """Wait until the client reads no more."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await self._is_left.wait()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._breaks:
                raise httpx2.ReadError("the test breaks the connection")
            if self._ends:
                return
            self._has_news = anyio.Event()
            await self._has_news.wait()

    async def aclose(self) -> None:
        self._is_left.set()


Answer: TypeAlias = Callable[
    [httpx2.Request], httpx2.Response | Awaitable[httpx2.Response]
]


class FakeServer(httpx2.AsyncBaseTransport):
    """Answers HTTP requests in this process.

    Args:
        answer: Called with each request.

    Attributes:
        requests: All so far.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._has_news = anyio.Event()
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer as the test says."""
        await request.aread()
        self.requests.append(request)
        self._has_news.set()
        response = self._answer(request)
        if not isinstance(response, httpx2.Response):
            response = await response
        return response

    async def until_requests(self, count: int) -> list[httpx2.Request]:
        """Wait until there were so many requests."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(self.requests) < count:
                self._has_news = anyio.Event()
                await self._has_news.wait()
        return self.requests

    @property
    def seen(self) -> list[str]:
        """What was asked: HTTP methods, and of a POST what it posted."""
        return [seen_as(request) for request in self.requests]

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """Make a client of this server."""
        return httpx2.AsyncClient(transport=self, **options)


def seen_as(request: httpx2.Request) -> str:
    """Say what a request is, in a word."""
    if request.method != "POST":
        return request.method
    return str(json.loads(request.content).get("method", "answer"))


def answer_json(
    message: Message, status: int = 200, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Answer with a message as JSON."""
    return httpx2.Response(
        status, headers={**JSON, **(headers or {})}, content=jsonrpc.serialize(message)
    )


def answer_stream(
    stream: Stream | bytes, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Answer with a stream of events; bytes are all of it."""
    if isinstance(stream, bytes):
        stream = Stream(stream, ends=True)
    return httpx2.Response(200, headers={**EVENTS, **(headers or {})}, stream=stream)


# Of a server with sessions ------------------------------------------------------------

SESSION_ID = "session-1"
VERSION = "2025-11-25"
INITIALIZE = jsonrpc.request(
    "init",
    "initialize",
    {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
)
INITIALIZED = jsonrpc.notification("notifications/initialized")


def opening(version: str = VERSION) -> Message:
    """Make the result of `initialize`."""
    value = {
        "protocolVersion": version,
        "capabilities": {},
        "serverInfo": {"name": "fake", "version": "1"},
    }
    return jsonrpc.result("init", value)


def legacy_server(answers: Mapping[str, Answer] | None = None) -> FakeServer:
    """Make a server that opens sessions, takes notifications, and has no stream.

    Args:
        answers: What to answer to what `seen_as` says, other than that.
    """
    known: dict[str, Answer] = {
        "initialize": lambda request: answer_json(
            opening(), headers={"MCP-Session-Id": SESSION_ID}
        ),
        "answer": lambda request: httpx2.Response(202),
        "GET": lambda request: httpx2.Response(405),
        "DELETE": lambda request: httpx2.Response(200),
        **(answers or {}),
    }

    def answer(request: httpx2.Request) -> Any:
        word = seen_as(request)
        if word in known:
            return known[word](request)
        assert word.startswith("notifications/"), f"nothing to answer {word} with"
        return httpx2.Response(202)

    return FakeServer(answer)


async def initialize(transport: Transport, witness: Witness) -> None:
    """Open a session, and forget about it."""
    count = len(witness.messages)
    await transport.send(INITIALIZE)
    await witness.until_messages(count + 1)
    await transport.send(INITIALIZED)
    witness.messages.pop()


# Over sockets -----------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A request as it came.

    Attributes:
        headers: Names in lower case.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        """The JSON value of the body."""
        return json.loads(self.body)


class Wire:
    """The connection that a request came on."""

    def __init__(self, stream: SocketStream, request: Received) -> None:
        self._stream = stream
        self.request = request

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._stream.send(data)

    async def receive_next(self) -> Received:
        """Read the next request on the same connection."""
        return await receive_request(self._stream)

    async def wait_until_left(self) -> None:
        """Wait until the client has closed the connection."""
        try:
            while True:
                await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass

    def reset(self) -> None:
        """End the connection as if the machine had died."""
        raw = self._stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Play: TypeAlias = Callable[[Wire], Awaitable[None]]
"""Answers one request; the connection ends with it."""


@dataclass
class SocketServer:
    """A server on a socket.

    Attributes:
        url: Its origin, without a path.
        requests: All so far.
        connections: How many are open.
    """

    url: str
    requests: list[Received]
    connections: int = 0


@asynccontextmanager
async def serve(*plays: Play) -> AsyncIterator[SocketServer]:
    """Run a server that answers each request with the next play, then with the last."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    server = SocketServer(f"http://127.0.0.1:{port}", [])
    rest = deque(plays)

    async def handle(stream: SocketStream) -> None:
        server.connections += 1
        try:
            async with stream:
                request = await receive_request(stream)
                server.requests.append(request)
                play = rest.popleft() if len(rest) > 1 else rest[0]
                await play(Wire(stream, request))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass  # The client went first.
        finally:
            server.connections -= 1

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield server
        tasks.cancel_scope.cancel()


async def receive_request(stream: ByteStream) -> Received:
    """Read one request, whose body has a length, or the beginning of TLS."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
        if data.startswith(b"\x16"):
            return Received("TLS", "", {}, data)
    head, _, body = data.partition(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        body += await stream.receive()
    return Received(method, target, headers, body)


def play_bytes(data: bytes) -> Play:
    """Send bytes, and end the connection."""

    async def play(wire: Wire) -> None:
        await wire.send(data)

    return play


def respond(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Play:
    """Answer with a whole body."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return play_bytes("\r\n".join([*lines, "", ""]).encode() + body)


def begin_events(*events: bytes) -> bytes:
    """Write the beginning of an event stream that only the connection ends."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    return head + b"".join(events)


def play_until_left(data: bytes) -> Play:
    """Send bytes, and then nothing, until the client has gone."""

    async def play(wire: Wire) -> None:
        await wire.send(data)
        await wire.wait_until_left()

    return play


async def play_reset(wire: Wire) -> None:
    """End the connection without a word."""
    wire.reset()
