"""The ways to a server: of a URL, a command, a transport or a pair of streams."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from mcp_django.exceptions import ErrorReceived, HTTPRefused
from mcp_django.transports.base import Transport
from mcp_django.transports.client.stdio import StdioClientTransport
from mcp_django.transports.stream_pair import (
    StreamPair,
    StreamPairTransport,
    closing,
    is_stream_pair,
)

if TYPE_CHECKING:
    import ssl

    import httpx2

MakeTransport: TypeAlias = Callable[[], Transport]

Target: TypeAlias = (
    str | Sequence[str] | Transport | MakeTransport | StreamPair | tuple[Any, Any]
)
"""URL of a server, command that runs one, transport, or what makes a transport; or a
pair of streams, or what gives one to the end of a block."""

_NO_STREAMABLE_HTTP: Final = (400, 404, 405)
"""HTTP statuses to `initialize` of servers that may still know HTTP+SSE."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a server that may be the right one.

    Attributes:
        make: Makes a transport.
        can_repeat: Whether it makes another one when that is closed.
        is_modern: Whether it can carry the modern era.
    """

    make: MakeTransport
    can_repeat: bool = True
    is_modern: bool = True


@dataclass(frozen=True, slots=True)
class HTTPOptions:
    """How to make HTTP requests.

    Attributes:
        headers: Added to each request.
        auth: Such as `httpx2.BasicAuth`, or one of your own; None for none.
        http: Makes them all; stays open. None to make one.
        verify: TLS settings; None for those of the system.
        connect_timeout: Seconds until there has to be a connection.
    """

    headers: Mapping[str, str]
    auth: httpx2.Auth | None = None
    http: httpx2.AsyncClient | None = None
    verify: ssl.SSLContext | None = None
    connect_timeout: float = 10.0

    @property
    def are_given(self) -> bool:
        """Whether there is anything in them that is of use with a URL only."""
        return bool(self.headers) or (self.auth or self.http or self.verify) is not None


def headers_with(
    token: str | None,
    headers: Mapping[str, str] | None,
    auth: httpx2.Auth | None,
    target: Target,
) -> dict[str, str]:
    """Add a bearer token to headers.

    Raises:
        ValueError: It, or a header, is wrong, or there are other credentials, so that
            one of them would get lost.
    """
    given = dict(headers or {})
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise ValueError(
                f"header {name!r:.100} must be text, not {type(value).__name__}"
            )
    if token is None:
        return given
    if not isinstance(token, str) or not token:
        raise ValueError("token is empty, or no text; is its variable set?")
    others = {
        "auth": auth is not None,
        "the user in the URL": isinstance(target, str) and "@" in urlsplit(target)[1],
        "the header Authorization": "authorization" in map(str.lower, given),
    }
    for name, is_given in others.items():
        if is_given:
            raise ValueError(f"give token or {name}, not both: one would get lost")
    return {**given, "Authorization": f"Bearer {token}"}


def ways_to(target: Target, options: HTTPOptions) -> Sequence[Way]:
    """Give the ways to a server, in the order in which to try them.

    Raises:
        ValueError: It is no target.
        ImportError: A library is missing that the target needs.
    """
    if not isinstance(target, str) and options.are_given:
        raise ValueError(
            "token, headers, auth and http are for URLs; give the headers to the "
            "transport, and secrets to a command by its environment"
        )
    match target:
        case Transport():
            return [Way(lambda: target, can_repeat=False)]
        case str():
            return _ways_to_url(target, options)
        case AbstractAsyncContextManager():
            streams = StreamPairTransport(target)
            return [Way(lambda: streams, can_repeat=False)]
        case (read, write) if is_stream_pair(read, write):
            streams = StreamPairTransport(closing(read, write))
            return [Way(lambda: streams, can_repeat=False)]
        case [str(), *_]:
            command, *arguments = target
            return [Way(lambda: StdioClientTransport(command, arguments))]
        case _ if callable(target):
            return [Way(partial(_make, target))]
        case _:
            raise ValueError(
                f"no server to connect to: {target!r:.200}; give a URL, a command as "
                "a list of strings, a transport, or a pair of streams"
            )


def _make(make: MakeTransport) -> Transport:
    transport: object = make()
    if not isinstance(transport, Transport):
        raise ValueError(
            f"{make!r:.200} made {transport!r:.200}, which is no transport"
        )
    return transport


def _ways_to_url(url: str, options: HTTPOptions) -> Sequence[Way]:
    match urlsplit(url).scheme.lower():
        case "http" | "https":
            ways = _ways_by_http(url, options)
        case "ws" | "wss":
            ways = [Way(_websocket(url, options))]
        case scheme:
            raise ValueError(
                f"cannot connect to {url!r:.200}: its scheme is {scheme!r}, not http, "
                "https, ws or wss; a command is given as a list of strings"
            )
    for way in ways:
        way.make()  # for what is wrong to be said at once
    return ways


def _ways_by_http(url: str, options: HTTPOptions) -> Sequence[Way]:
    http = client_module("streamable_http").StreamableHTTPClientTransport
    sse = client_module("sse").SSEClientTransport
    arguments: dict[str, Any] = {
        "headers": options.headers,
        "auth": options.auth,
        "http": options.http,
        "verify": options.verify,
        "connect_timeout": options.connect_timeout,
    }
    return [
        Way(partial(http, url, **arguments)),
        Way(partial(sse, url, reconnects=5, **arguments), is_modern=False),
    ]


def _websocket(url: str, options: HTTPOptions) -> MakeTransport:
    if options.auth is not None or options.http is not None:
        raise ValueError(
            "auth and http are for HTTP; give token= or headers= for a WebSocket"
        )
    return partial(
        client_module("websocket").WebSocketClientTransport,
        url,
        headers=options.headers,
        ssl_context=options.verify,
        connect_timeout=options.connect_timeout,
    )


def client_module(binding: str) -> Any:
    """Import the client's half of a binding, whose library may be missing."""
    return importlib.import_module(f"mcp_django.transports.client.{binding}")


def is_other_kind(error: Exception) -> bool:
    """Say whether a server that failed so may be reached in another way."""
    match error:
        case HTTPRefused(status=status):
            return status in _NO_STREAMABLE_HTTP
        case _:
            return isinstance(error, ErrorReceived)
