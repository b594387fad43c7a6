"""HTTP connections to an ASGI application in the same event loop, without a server.

As strict as a server may be: what an application sends in the wrong order fails the
test, and so does an exception that leaves it.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mcp_django.asgi import MCPRouter
from mcp_django.consumers.applications import Application, application_of
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.server import Server
from mcp_django.transports.event_stream import EventStreamDecoder, ServerSentEvent
from tests import patience

WAIT_SECONDS = patience.PATIENCE_SECONDS
"""Bound of every wait; nothing here takes as long unless it is broken."""

LATEST = "2025-11-25"


@dataclass(frozen=True)
class Response:
    """A whole HTTP response.

    Attributes:
        headers: Pairs of lower-case name and value, in the order sent.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the values of a header joined by ", "; None if it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        """Give the body's JSON value."""
        return json.loads(self.body)

    def error(self) -> tuple[int, int, str]:
        """Give status, JSON-RPC code and message of a refusal, which has no id."""
        answer = self.json()
        assert answer == {"jsonrpc": "2.0", "id": None, "error": answer["error"]}
        return self.status, answer["error"]["code"], answer["error"]["message"]


class Connection:
    """One HTTP exchange that goes on.

    Args:
        application: Answers.
        scope: As `make_scope` makes it.
        body: All of the body, or its beginning.
        is_whole: Whether it is all; if not, `send_body` has to go on.
    """

    def __init__(
        self,
        application: Application,
        scope: Scope,
        body: bytes = b"",
        *,
        is_whole: bool = True,
    ) -> None:
        self._incoming: asyncio.Queue[Event] = asyncio.Queue()
        self.send_body(body, is_whole=is_whole)
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._decoder = EventStreamDecoder(2**24)
        self._events: list[ServerSentEvent] = []
        self._is_started = asyncio.Event()
        self._is_ended = asyncio.Event()
        self._faults: list[str] = []
        self._body = b""
        self.status = 0
        self.headers: Sequence[tuple[str, str]] = ()
        self._is_gone = asyncio.Event()
        self._task = asyncio.create_task(application(scope, self._receive, self._send))

    def send_body(self, body: bytes, *, is_whole: bool = True) -> None:
        """Send more of the body."""
        self._incoming.put_nowait(
            {"type": "http.request", "body": body, "more_body": not is_whole}
        )

    async def wait_for_start(self) -> None:
        """Wait until status and headers are there, or the application returned."""
        started = asyncio.create_task(self._is_started.wait())
        await asyncio.wait(
            [started, self._task],
            timeout=WAIT_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        started.cancel()
        if self._task.done():
            self._task.result()
        assert self._is_started.is_set(), "the application did not answer"

    async def wait_for_end(self) -> None:
        """Wait until the application has ended the body by itself."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._is_ended.wait()

    async def read_event(self) -> ServerSentEvent:
        """Wait for the next event of the stream."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not self._events:
                self._events += self._decoder.feed(await self._chunks.get())
        return self._events.pop(0)

    async def read_chunk(self) -> bytes:
        """Wait for the next bytes, instead of events."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._chunks.get()

    async def go_away(self) -> None:
        """Go away, and wait until the application has noticed; it may go on."""
        self._incoming.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(WAIT_SECONDS):
            await self._is_gone.wait()

    async def close(self) -> None:
        """Go away, and wait until the application has ended.

        Raises:
            AssertionError: The application broke the rules of ASGI meanwhile.
        """
        self._incoming.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(WAIT_SECONDS):
            await self._task
        assert self._faults == []

    async def be_cancelled(self) -> None:
        """Let the server cancel the application, and wait until that has ended."""
        self._task.cancel()
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.wait([self._task])
        assert self._faults == []

    @property
    def response(self) -> Response:
        """The response as far as it has come; empty headers before its start."""
        return Response(self.status, self.headers, self._body)

    async def _receive(self) -> Event:
        event = await self._incoming.get()
        if event["type"] == "http.disconnect":
            # Once whoever waited for it had a turn.
            asyncio.get_running_loop().call_soon(self._is_gone.set)
        return event

    async def _send(self, event: Event) -> None:
        match event["type"]:
            case "http.response.start" if not self._is_started.is_set():
                self.status = event["status"]
                self.headers = [
                    (name.decode("ascii").lower(), value.decode("latin-1"))
                    for name, value in event["headers"]
                ]
                self._is_started.set()
            case "http.response.body" if (
                self._is_started.is_set() and not self._is_ended.is_set()
            ):
                self._body += event.get("body", b"")
                self._chunks.put_nowait(event.get("body", b""))
                if not event.get("more_body"):
                    self._is_ended.set()
            case type_:
                self._faults.append(f"{type_} out of order")


class LegacyClient(ABC):
    """What the clients of connections that stay open have in common."""

    @abstractmethod
    async def ask(self, method: str, params: Any = None) -> Any:
        """Send a request and wait for its result or its `error` member."""

    @abstractmethod
    async def notify(self, method: str) -> None:
        """Send a notification."""

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool and wait for its result."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})

    async def initialize(self, version: str = LATEST) -> Any:
        """Open a session."""
        result = await self.ask(
            "initialize",
            {
                "protocolVersion": version,
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        )
        await self.notify("notifications/initialized")
        return result


class OpenStream(LegacyClient):
    """The event stream of a client, and what it posts to the endpoint named there.

    Attributes:
        endpoint: Path and query to post to.
    """

    def __init__(
        self,
        application: Application,
        connection: Connection,
        endpoint: str,
        headers: Mapping[str, str],
    ) -> None:
        self._application = application
        self._headers = headers
        self._last_id = 0
        self.connection = connection
        self.endpoint = endpoint

    @property
    def session_id(self) -> str:
        """The session id as the endpoint has it, percent-encoded."""
        return self.endpoint.partition("session_id=")[2]

    async def post(self, message: Any, **options: Any) -> Response:
        """Post a JSON value, or bytes as they are.

        Args:
            message: What to post.
            options: As for `request`; headers are added to the stream's.
        """
        options["headers"] = {**self._headers, **options.get("headers", {})}
        return await post(self._application, self.endpoint, message, **options)

    async def read_message(self) -> Any:
        """Wait for the next message from the server."""
        event = await self.connection.read_event()
        assert event.event == "message"
        return json.loads(event.data)

    async def ask(self, method: str, params: Any = None, **options: Any) -> Any:
        """Send a request and wait for the next message, which has to answer it.

        Returns:
            The result or, for an error, the `error` member.
        """
        self._last_id += 1
        id = f"ask-{self._last_id}"
        message = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            message["params"] = params
        response = await self.post(message, **options)
        assert (response.status, response.body) == (202, b"")
        answer = await self.read_message()
        assert answer["id"] == id
        return answer["result"] if "result" in answer else answer["error"]

    async def notify(self, method: str) -> None:
        """Post a notification."""
        await self.post({"jsonrpc": "2.0", "method": method})

    async def assert_alive(self) -> None:
        """Fail unless the session still answers."""
        assert await self.ask("ping") == {}


def make_scope(method: str, url: str, headers: Mapping[str, str], **more: Any) -> Scope:
    """Make what an ASGI server tells of a request.

    Args:
        method: The HTTP method.
        url: Path and query, percent-encoded.
        headers: Names in any case; Host is "testserver" if left out.
        more: Other keys of the scope, such as `root_path` or `scheme`.
    """
    parts = urlsplit(url)
    given = {"host": "testserver"} | {k.lower(): v for k, v in headers.items()}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items()],
        "client": ["127.0.0.1", 50000],
        "server": ["127.0.0.1", 8000],
        **more,
    }


async def request(
    application: Application,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    **more: Any,
) -> Response:
    """Send a request and wait for the whole response; a stream is left at once."""
    scope = make_scope(method, url, headers or {}, **more)
    connection = Connection(application, scope, body)
    await connection.wait_for_start()
    content_type = connection.response.header("content-type") or ""
    if not content_type.startswith("text/event-stream"):
        await connection.wait_for_end()
    await connection.close()
    return connection.response


async def post(
    application: Application,
    url: str,
    message: Any,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Post a JSON value, or bytes as they are, and wait for the response."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = {"content-type": "application/json", **(headers or {})}
    return await request(application, "POST", url, headers=headers, body=body, **more)


@asynccontextmanager
async def open_stream(
    application: Application,
    url: str = "/mcp/sse",
    *,
    headers: Mapping[str, str] | None = None,
    is_initialized: bool = True,
    **more: Any,
) -> AsyncIterator[OpenStream]:
    """Open an event stream, and its session unless told not to.

    Args:
        application: Answers.
        url: Where the stream is.
        headers: For the stream and each post.
        is_initialized: Whether to open the session, too.
        more: Other keys of the scope of the stream.
    """
    scope = make_scope("GET", url, headers or {}, **more)
    connection = Connection(application, scope)
    await connection.wait_for_start()
    try:
        assert connection.status == 200
        event = await connection.read_event()
        assert event.event == "endpoint"
        stream = OpenStream(application, connection, event.data, headers or {})
        if is_initialized:
            await stream.initialize()
        yield stream
    finally:
        await connection.close()


def site_of(server: Server) -> Application:
    """Give an application with one server, whose URLs are /mcp, /mcp/sse and so on."""
    endpoints = {f"/mcp/{b}": Endpoint(server, b) for b in ("sse", "messages")}
    endpoints["/mcp"] = Endpoint(server, "mcp")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoints[scope["path"]]
        await application_of(endpoint, scope["type"])(scope, receive, send)

    return application


async def refuse_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand for the rest of the site, which no MCP request may reach."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"the rest of the site"})


site: Application = MCPRouter(refuse_all).__call__
"""The MCP endpoints of the test project's URLconf, and nothing else."""
