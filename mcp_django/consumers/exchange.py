"""One HTTP exchange: what the ASGI scope and its events say, and how to answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any, ClassVar, Final, TypeAlias
from urllib.parse import unquote_plus

from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.http import HttpRequest
from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.auth.interface import Identity
from mcp_django.protocol import jsonrpc
from mcp_django.transports.server.http_response import Headers
from mcp_django.transports.server.refusals import Refused
from mcp_django.transports.tap import tap

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

_JSON: Headers = ((b"content-type", b"application/json"),)
# Spec: RFC 9111, section 3: answers to POST are stored only where they ask for it.
_JSON_NOT_STORED: Headers = (*_JSON, (b"cache-control", b"no-store"))
_NO_CODING: Headers = ((b"accept-encoding", b"identity"),)

STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    # GZipMiddleware ignores no-transform and holds events back; this it respects.
    (b"content-encoding", b"identity"),
    (b"x-accel-buffering", b"no"),
)


PIECE_BYTES: Final = 64 * 1024
"""What is larger is sent in pieces of this size to a client that may read slowly."""

_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")
"""Kept from handlers, logs and the channel layer; authenticators see the request."""

# On the hot path: the usual names need no reading.
_NAMES: Mapping[bytes, str] = {
    name.encode(): name
    for name in (
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "user-agent",
    )
}


def path_for_log(scope: Scope) -> str:
    """Give the path of a connection, with all but ASCII escaped, as Django logs it."""
    path: str = scope["path"]
    return path.encode("unicode_escape").decode("ascii")


class Disconnected(Exception):
    """The client is gone, and reads no answer."""


class Exchange:
    """An HTTP request and the way to answer it.

    Attributes:
        scope: The ASGI scope.
        method: The HTTP method, in capitals.
        headers: HTTP headers but those with credentials, names in lower case; a
            repeated one is joined by ", ".
        added_headers: Of every answer: for caches, and what the gate fills in, for CORS
            and HTTPS.
        is_started: Whether the answer has begun.
        is_ended: Whether it is complete.
        has_streams: Whether it can be answered with a stream; not over WSGI.
        binding: The rules by which messages are on it, in a word for operators; "" if
            there are none.
        identity: Whose it is; None until the gate has let it in.
        session_id: Names the session that it opens; "" if it opens none.
    """

    has_streams: ClassVar[bool] = True
    binding: ClassVar[str] = ""

    __slots__ = (
        "__dict__",
        "_receive",
        "_send",
        "added_headers",
        "headers",
        "identity",
        "is_ended",
        "is_started",
        "method",
        "scope",
        "session_id",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self._receive = receive
        self._send = send
        self.headers = _read_headers(scope["headers"])
        self.added_headers: Headers = ()
        self.is_started = False
        self.is_ended = False
        self.identity: Identity | None = None
        self.session_id = ""

    @property
    def address(self) -> str:
        """The client's address without a port, or the proxy's; "" if unknown."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    @cached_property
    def request(self) -> HttpRequest:
        """The same as Django sees it, without its body.

        Raises:
            Refused: Django cannot read it: 400.
        """
        try:
            request = ASGIRequest(self.scope, BytesIO())
        except (LookupError, ValueError, BadRequest) as error:
            # An odd charset in Content-Type, or a query string that is no UTF-8.
            raise Refused(400, "the request is malformed") from error
        if environ := self.scope.get("wsgi_environ"):
            request.META = {**environ, **request.META}
        return request

    def forget_request(self) -> None:
        """Make the request anew when it is needed; it is large, and this lives long."""
        with suppress(AttributeError):  # it has not been made
            del self.request

    @property
    def script_name(self) -> str:
        """The part of the path that Django leaves out of its URLs, often empty."""
        return get_script_prefix(self.scope) or ""

    @property
    def path_for_log(self) -> str:
        """The path in one line: what a client wrote makes no line of its own."""
        return path_for_log(self.scope)

    @property
    def path_info(self) -> str:
        """The path below the script name, as Django sees it."""
        path: str = self.scope["path"]
        return path.removeprefix(self.script_name)

    @property
    def query_string(self) -> str:
        """What follows the "?" in the URL, as it came."""
        text: str | bytes = self.scope.get("query_string", b"")
        # Django's test client has it as text.
        return text.decode("latin-1") if isinstance(text, bytes) else text

    def query(self, name: str) -> str | None:
        """Give the first value of a query parameter; None if it is absent or empty."""
        # On the hot path: parse_qs would decode every parameter.
        for field in self.query_string.split("&"):
            key, _, value = field.partition("=")
            if key == name and value:
                return unquote_plus(value)
        return None

    def read_json(self, max_bytes: int) -> Coroutine[Any, Any, bytes]:
        """Read the whole body, which has to be JSON as it is.

        Raises:
            Refused: 415 if it is said to be something else, which pages can send
                unasked, or is compressed; 413 if it is larger than `max_bytes`.
            Disconnected: The client went away in the middle.

        Spec: RFC 9110, section 15.5.16.
        """
        if not _is_json(self.headers.get("content-type", "")):
            raise Refused(415, "send JSON, with Content-Type: application/json")
        coding = self.headers.get("content-encoding", "").strip()
        if coding and coding.lower() != "identity":
            raise Refused(
                415,
                f"send the JSON as it is, without Content-Encoding: {coding[:40]}",
                headers=_NO_CODING,
            )
        return self._read_body(max_bytes)

    async def _read_body(self, max_bytes: int) -> bytes:
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > max_bytes:
            raise _too_large(max_bytes)
        event = await self._receive()
        body: bytes = event.get("body", b"")
        while event["type"] == "http.request" and event.get("more_body"):
            if len(body) > max_bytes:
                raise _too_large(max_bytes)
            event = await self._receive()
            body += event.get("body", b"")
        if event["type"] == "http.disconnect":
            raise Disconnected
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if tap.watches:
            tap.show("received", body, self)
        return body

    async def wait_for_disconnect(self) -> None:
        """Return when the client is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def leave(self) -> None:
        """Go on without the client, for as long as it takes; nothing to do here."""

    async def respond(
        self, status: int, body: bytes = b"", headers: Headers = ()
    ) -> None:
        """Answer with a whole body; JSON if there is one."""
        if tap.watches:
            tap.show("sent", body, self, status)
        kind = _JSON if self.method == "POST" else _JSON_NOT_STORED
        # On the hot path: both events are sent from right here.
        self.is_started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    *(kind if body else ()),
                    (b"content-length", b"%d" % len(body)),
                    *headers,
                    *self.added_headers,
                ],
            }
        )
        if len(body) > PIECE_BYTES:
            await self._send_in_pieces(body)
            return
        self.is_ended = True
        await self._send({"type": "http.response.body", "body": body})

    async def _send_in_pieces(self, body: bytes) -> None:
        """Send a large body; others do so no faster than the client reads."""
        await self._end(body)

    async def refuse(self, refused: Refused) -> None:
        """Answer with a refusal, as a JSON-RPC error without id."""
        error = jsonrpc.error(None, refused.code, refused.message)
        await self.respond(refused.status, jsonrpc.serialize(error), refused.headers)

    async def give_up(self, refused: Refused | None = None) -> None:
        """Complete an answer that cannot be given; refuse if it has not begun."""
        if self.is_started:
            await self.end_stream()
        else:
            await self.refuse(
                refused or Refused(500, "Internal error", code=INTERNAL_ERROR)
            )

    async def start_events(self, headers: Headers = ()) -> None:
        """Begin to answer with an event stream; `write` and `end_stream` go on."""
        if tap.watches:
            tap.show("sent", b"", self, 200)
        # What only the gate needs is large, and streams live long.
        self.forget_request()
        self.headers = {}
        self.is_started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [*STREAM_HEADERS, *headers, *self.added_headers],
            }
        )

    @property
    def is_congested(self) -> bool:
        """Whether a write would wait until the client has read something."""
        return False

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing, when it was looked last."""
        return 0.0

    def look(self) -> float:
        """Look for how long the client has taken nothing of what it was sent."""
        return 0.0

    def abort(self) -> None:
        """End the connection at once, where that can be done."""

    def write(self, chunk: bytes) -> Awaitable[None]:
        """Send a piece of the stream: one event, or several."""
        if tap.watches:
            tap.show("sent", chunk, self)
        return self._write(chunk)

    def _write(self, chunk: bytes) -> Awaitable[None]:
        return self._send(
            {"type": "http.response.body", "body": chunk, "more_body": True}
        )

    async def end_stream(self) -> None:
        """End the stream cleanly; more calls do nothing, nor if the client is gone."""
        if not self.is_ended:
            await self._end(b"")

    async def _end(self, body: bytes) -> None:
        self.is_ended = True
        await self._send({"type": "http.response.body", "body": body})


def _name_of(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _read_headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers = {
        _NAMES.get(name) or _name_of(name): value.decode("latin-1")
        for name, value in raw
    }
    # On the hot path: hardly a request has one twice.
    if len(headers) < len(raw):
        headers = {}
        for name, value in raw:
            key, text = _name_of(name), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    for key in _SECRET_HEADERS:
        if key in headers:
            del headers[key]
    return headers


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _too_large(max_bytes: int) -> Refused:
    return Refused(413, f"the body is larger than {max_bytes} bytes")
