"""What goes wrong with HTTP at the client's end, in our words.

What we sent stays out of the texts: no header, no body, no user, no query.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from mcp_types.jsonrpc import JSONRPCError

from mcp_django.exceptions import (
    HTTPRefused,
    MessageLost,
    RemoteProtocolError,
    RequestFailed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.transports.client.http_library import httpx2

MAX_SHOWN = 200
"""Characters shown of a URL, and of what a server sent."""

_MAX_BODY_CHARACTERS = 2000
_MAX_PORT = 65535
_USER = re.compile(r"//[^/]*@")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        connect: For a connection.
        read: For the next bytes of a connection, and for our own to be taken.
    """

    connect: float
    read: float


def parse_url(url: str) -> httpx2.URL:
    """Read the URL of a server.

    Raises:
        ValueError: It is none that HTTP can reach; says why.
    """
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"it is no URL: {str(error)[:MAX_SHOWN]}") from None
    check_reachable(parsed)
    return parsed


def check_reachable(url: httpx2.URL) -> None:
    """Refuse a URL that HTTP cannot reach.

    Raises:
        ValueError: Says why.
    """
    if url.scheme not in ("http", "https"):
        raise ValueError("it must begin with http:// or https://")
    if not url.host:
        raise ValueError("it names no host")
    if url.port is not None and url.port > _MAX_PORT:
        raise ValueError(f"its port is larger than {_MAX_PORT}")


def is_same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Say whether scheme, host and port of two URLs are the same.

    Spec: RFC 6454, section 5. Default ports are None in either.
    """
    return (one.scheme, one.raw_host, one.port) == (
        other.scheme,
        other.raw_host,
        other.port,
    )


def show(url: httpx2.URL) -> str:
    """Write a URL without what may be secret in it: user, password and query."""
    bare = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    shown = bare if len(bare) <= MAX_SHOWN else f"{bare[:MAX_SHOWN]}..."
    return repr(f"{shown}?..." if url.query else shown)


def show_text(url: str) -> str:
    """Write what may be no URL at all as `show` writes one."""
    bare = _USER.sub("//", url.partition("?")[0])
    return repr(bare if len(bare) <= MAX_SHOWN else f"{bare[:MAX_SHOWN]}...")


def describe(
    error: Exception, url: httpx2.URL, timeouts: Timeouts, *, by_proxy: bool = False
) -> str:
    """Say what went wrong between us and a server.

    Args:
        error: Any exception of httpx2.
        url: What was asked for.
        timeouts: How long was waited.
        by_proxy: Whether it was asked for by a proxy of the environment.
    """
    text = _describe(error, show(url), timeouts)
    is_about_proxy = isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError
    )
    if by_proxy and is_about_proxy:
        # Its URL may hold a password.
        text += " (by the proxy that the environment names)"
    return text


def _describe(error: Exception, place: str, timeouts: Timeouts) -> str:
    match error:
        case httpx2.TimeoutException():
            return _describe_timeout(error, place, timeouts)
        case httpx2.ConnectError():
            return f"cannot reach {place}: {_reason_of(error)}"
        case httpx2.ProxyError() | httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return f"cannot reach {place}: {_cut(error)}"
        case httpx2.LocalProtocolError():
            # Its text shows the header that is wrong, which may be a token.
            return (
                f"cannot write a request to {place}: a header has characters that "
                "HTTP forbids, such as a line end or a space behind a token"
            )
        case httpx2.RemoteProtocolError():
            return f"{place} does not speak HTTP as it should: {_cut(error)}"
        case httpx2.NetworkError():
            return f"the connection with {place} broke"
        case httpx2.DecodingError():
            return f"the content of {place} is not encoded as its headers say"
        case _:
            return f"the request to {place} failed with {type(error).__name__}"


def _describe_timeout(
    error: httpx2.TimeoutException, place: str, timeouts: Timeouts
) -> str:
    match error:
        case httpx2.PoolTimeout():
            return (
                f"cannot reach {place}: the HTTP client had no connection left for "
                f"{timeouts.connect:g} s; let it open more, by httpx2.Limits"
            )
        case httpx2.ConnectTimeout():
            return f"cannot reach {place}: no connection in {timeouts.connect:g} s"
        case httpx2.WriteTimeout():
            return f"{place} took nothing for {timeouts.read:g} s"
        case _:
            return f"nothing came from {place} for {timeouts.read:g} s"


def failed_by_server(text: str, fault: Exception) -> RequestFailed:
    """Make the exception for a request that the server gets wrong; its cause says so.

    Args:
        text: What went wrong, and where.
        fault: What the server did.
    """
    kind = MessageLost if isinstance(fault, MessageLost) else RemoteProtocolError
    failure = RequestFailed(text)
    failure.__cause__ = kind(text)
    return failure


def error_in(body: bytes) -> JSONRPCError | None:
    """Read the JSON-RPC error that a refusal holds, if it does."""
    try:
        parsed = jsonrpc.parse(body)
    except RemoteProtocolError:
        return None
    return parsed if isinstance(parsed, JSONRPCError) else None


def refusal_of(
    response: httpx2.Response, body: bytes, *, advice: str = ""
) -> HTTPRefused:
    """Make the exception for a response that is no success.

    Args:
        response: Of which status and headers are kept.
        body: Its beginning.
        advice: What to say instead of what a JSON-RPC error in the body says.
    """
    error = error_in(body)
    if not advice and error is not None:
        advice = error.error.message[:MAX_SHOWN]
    status = response.status_code
    text = (
        f"{response.request.method} {show(response.request.url)} was refused with "
        f"status {status}{_phrase_of(status)}"
    )
    return HTTPRefused(
        f"{text}: {advice}" if advice else text,
        status=status,
        body=body.decode(errors="replace")[:_MAX_BODY_CHARACTERS],
        headers={name.lower(): value for name, value in response.headers.items()},
    )


def _phrase_of(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _cut(error: Exception) -> str:
    return str(error)[:MAX_SHOWN]


def _reason_of(error: Exception) -> str:
    """Find what the system, or TLS, gave as the reason."""
    for cause in _causes_of(error):
        match cause:
            case ssl.SSLError():
                return f"TLS failed: {cause}"
            case socket.gaierror():
                return f"its name is not known: {cause.strerror}"
            case OSError() if cause.errno:
                return os.strerror(cause.errno)
    return _cut(error) or "no connection"


def _causes_of(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__
