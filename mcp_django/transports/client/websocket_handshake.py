"""How a client becomes a WebSocket: address, TCP or TLS, handshake, refusals.

Spec: RFC 6455, 4.1.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream
from mcp_types.jsonrpc import JSONRPCError

from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    RemoteProtocolError,
    TransportError,
)
from mcp_django.protocol import jsonrpc
from mcp_django.transports.client.websocket_library import (
    ClientProtocol,
    InvalidStatus,
    InvalidURI,
    Response,
    State,
    WebSocketURI,
    parse_uri,
)
from mcp_django.transports.lines import CHUNK_BYTES

LOST = (
    OSError,
    anyio.BrokenResourceError,
    # TLS may have to write in order to read, while another writes.
    anyio.BusyResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
"""What streams raise when the peer is gone, or they are closed."""

_MAX_SHOWN: Final = 200
"""Characters shown of what a server says."""

_MAX_BODY: Final = 2000
"""Characters kept of what a server says when it refuses."""

_BLANK = re.compile(r"[\x00-\x20\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OF_HANDSHAKE = re.compile(r"connection|upgrade|sec-websocket-.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a WebSocket listens, and what to tell it.

    Attributes:
        uri: The parts of the URL.
        shown: The URL without what must not get into logs: passwords, and tokens in
            queries.
        headers: Added to the handshake.
        ssl_context: For wss://; None trusts what Python trusts.
    """

    uri: WebSocketURI
    shown: str
    headers: Mapping[str, str] = field(repr=False)
    ssl_context: ssl.SSLContext | None

    def failure(self, why: str) -> ConnectFailed:
        """Say that no connection came about."""
        return ConnectFailed(f"cannot connect to {self.shown!r}: {why}")


def parse_endpoint(
    url: str, *, headers: Mapping[str, str], ssl_context: ssl.SSLContext | None
) -> Endpoint:
    """Check where to connect to, and what to send there.

    Raises:
        ValueError: The URL is no WebSocket's, or a header cannot be sent.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss"):
        raise ValueError(
            f"a WebSocket's URL begins with ws:// or wss://, not {parts.scheme!r}"
        )
    if _BLANK.search(url):
        raise ValueError("a WebSocket's URL has no blanks; write them as %20")
    try:
        uri = parse_uri(url)
    except InvalidURI as error:
        raise ValueError(f"this is no WebSocket's URL: {error.msg}") from None
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} has characters that HTTP cannot carry")
        if _OF_HANDSHAKE.fullmatch(name):
            raise ValueError(f"header {name!r} belongs to the handshake; leave it out")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")
    return Endpoint(uri, bare.geturl(), dict(headers), ssl_context)


async def connect(endpoint: Endpoint, protocol: ClientProtocol) -> ByteStream:
    """Connect and shake hands.

    Returns:
        The stream that frames come and go by; the caller closes it.

    Raises:
        ConnectFailed: There is no connection.
        HTTPRefused: The server wants other credentials, or none of us.
    """
    try:
        stream = await _open_stream(endpoint)
        try:
            await _shake_hands(stream, endpoint, protocol)
            # A task that gave up meanwhile gets no stream.
            await anyio.lowlevel.checkpoint()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise
    except (*LOST, UnicodeError) as error:
        raise endpoint.failure(describe(error)) from error
    return stream


def describe(error: BaseException) -> str:
    """Find the best words for what went wrong with a connection."""
    cause = error.__cause__ or error
    causes = cause.exceptions if isinstance(cause, BaseExceptionGroup) else [cause]
    # Where each address of a name fails, they mostly fail alike.
    texts = dict.fromkeys(str(each) for each in causes)
    return "; ".join(filter(None, texts)) or "the peer closed the connection"


async def _open_stream(endpoint: Endpoint) -> ByteStream:
    host, port = endpoint.uri.host, endpoint.uri.port
    if not endpoint.uri.secure:
        return await anyio.connect_tcp(host, port)
    return await anyio.connect_tcp(
        host,
        port,
        tls=True,
        ssl_context=endpoint.ssl_context,
        # The end is agreed upon by frames.
        tls_standard_compatible=False,
        tls_hostname=host,
    )


async def _shake_hands(
    stream: ByteStream, endpoint: Endpoint, protocol: ClientProtocol
) -> None:
    request = protocol.connect()
    for name, value in endpoint.headers.items():
        # To set a header adds it to those of the same name.
        with contextlib.suppress(KeyError):
            del request.headers[name]
        request.headers[name] = value
    protocol.send_request(request)
    for data in protocol.data_to_send():
        await stream.send(data)
    while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
        try:
            protocol.receive_data(await stream.receive(CHUNK_BYTES))
        except anyio.EndOfStream:
            protocol.receive_eof()
    match protocol.handshake_exc:
        case InvalidStatus(response=response):
            raise _refusal(endpoint, response)
        case Exception() as error:
            cause = error.__cause__ or error
            raise endpoint.failure(f"this is no WebSocket: {cause!s:.{_MAX_SHOWN}}")


def _refusal(endpoint: Endpoint, response: Response) -> TransportError:
    """Say what another HTTP status than 101 means."""
    status = f"HTTP {response.status_code} {response.reason_phrase:.{_MAX_SHOWN}}"
    headers = {
        name.lower(): ", ".join(response.headers.get_all(name))
        for name in response.headers
    }
    raw = bytes(response.body or b"")
    body = raw.decode(errors="replace")[:_MAX_BODY]
    if response.status_code in (401, 403):
        return HTTPRefused(
            f"cannot connect to {endpoint.shown!r}: refused with {status}{_said(raw)}",
            status=response.status_code,
            body=body,
            headers=headers,
        )
    if 300 <= response.status_code < 400 and "location" in headers:
        where = headers["location"]
        return endpoint.failure(
            f"{status} leads to {where!r:.{_MAX_SHOWN}}, where nothing is sent; if you "
            "trust it, connect there"
        )
    return endpoint.failure(f"refused with {status}: {body!r:.{_MAX_SHOWN}}")


def _said(body: bytes) -> str:
    """Give what a JSON-RPC error in a refusal says, "" if there is none."""
    try:
        parsed = jsonrpc.parse(body)
    except RemoteProtocolError:
        return ""
    if not isinstance(parsed, JSONRPCError):
        return ""
    return f": {parsed.error.message:.{_MAX_SHOWN}}"
