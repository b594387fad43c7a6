"""What Daphne does not tell applications: slow readers, statuses of a handshake.

Daphne calls an application with `send=partial(server.handle_reply, protocol)`. Its
`send` never waits for a slow reader (that of `mcp_daphne` waits unless the application
is told as it is here), it refuses every handshake with 403, and it closes with few
codes only. What it lacks is asked of the protocol object itself, by the public
interfaces of Twisted and autobahn, here and nowhere else. Under other servers, and
where middleware has wrapped `send`, the ways of ASGI are taken.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import responses
from typing import Any, Final

import anyio

from mcp_django.consumers.exchange import Scope, Send
from mcp_django.transports.server.flow_control import Flow
from mcp_django.transports.server.http_response import Headers

_MAX_REASON_BYTES = 123
"""What a control frame has room for. Spec: RFC 6455, 5.5."""


def flow_of(send: Send) -> Flow:
    """Give the flow control of a connection.

    Close it before the last ASGI event is sent. At most one at a time.

    Args:
        send: As the ASGI server gave it.
    """
    if request := _protocol_of(send, "daphne.http_protocol", "WebRequest"):
        return _RequestFlow(request)
    if protocol := _protocol_of(send, "daphne.ws_protocol", "WebSocketProtocol"):
        return _WebSocketFlow(protocol)
    return Flow()


def _protocol_of(send: Send, module: str, name: str) -> Any:
    """Give Daphne's protocol object behind a `send`, None if it is not of a kind."""
    # Importing Daphne would install a reactor; if it runs, it is there.
    kind = getattr(sys.modules.get(module), name, None)
    if kind is None or not isinstance(send, partial) or not send.args:
        return None
    return send.args[0] if isinstance(send.args[0], kind) else None


# Flow control -------------------------------------------------------------------


class _DaphneFlow(Flow):
    """A push producer of Twisted's: what Twisted asks to pause when a buffer is full.

    It is full above 64 KiB, and asks to go on when it is empty. Twisted calls the
    three methods of `IPushProducer`, in the event loop's thread.

    Args:
        transport: The connection, of Twisted.
    """

    def __init__(self, transport: Any) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._is_lost = False
        self._cleared: anyio.Event | None = None

    @property
    def has_unread(self) -> bool:
        """Whether the peer's system has yet to acknowledge something."""
        if self._is_lost:
            return False
        return self.is_congested or delivery_of(self._transport).is_pending

    def progress(self) -> object:
        """Give what has gone to the system's buffer, and from there to the peer's."""
        return None if self._is_lost else progress_of(self._transport)

    async def wait(self) -> None:
        """Return when the buffer is empty, or the connection is lost."""
        while self.is_congested:
            self._cleared = self._cleared or anyio.Event()
            await self._cleared.wait()

    def pauseProducing(self) -> None:
        """Be told that the buffer is full."""
        self.is_congested = not self._is_lost

    def resumeProducing(self) -> None:
        """Be told that the buffer is empty."""
        if not self.is_congested:
            return
        self.is_congested = False
        if self._cleared is not None:
            self._cleared.set()
            self._cleared = None
        # Not called right here: whatever it raised would end the connection.
        self._loop.call_soon(self.on_clear)

    def stopProducing(self) -> None:
        """Be told that the connection is lost."""
        self._is_lost = True
        self.resumeProducing()

    def close(self) -> None:
        """Unregister, so that Twisted can end the response or the connection."""
        if not self._is_lost:
            self._unregister()
        self.stopProducing()

    def abort(self) -> None:
        """End the connection at once, with all that the peer has not read."""
        if not self._is_lost:
            self._unregister()
            self._transport.abortConnection()
        self.stopProducing()

    def _unregister(self) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the system knows of the bytes that it was given to send.

    Attributes:
        is_pending: Whether the peer's system has yet to acknowledge some.
        acknowledged: How many it has.
    """

    is_pending: bool = False
    acknowledged: int = 0


_UNKNOWN: Final = Delivery()
_TCP_INFO: Final = struct.Struct("=24xI92xQ16xI")
"""Of Linux' `struct tcp_info`: `tcpi_unacked`, `tcpi_bytes_acked` and
`tcpi_notsent_bytes`."""


def delivery_of(transport: Any) -> Delivery:
    """Ask the system how far the bytes of a connection have come.

    Linux tells so of TCP; elsewhere it is not known.
    """
    try:
        # Below TLS there is another one.
        handle = getattr(transport, "transport", transport).getHandle()
        told = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        unacknowledged, acknowledged, unsent = _TCP_INFO.unpack(told)
    except (AttributeError, OSError, struct.error):
        return _UNKNOWN
    return Delivery(bool(unacknowledged or unsent), acknowledged)


def progress_of(transport: Any) -> object:
    """Give what has gone to the system's buffer, and from there to the peer's."""
    buffer = getattr(transport, "dataBuffer", b"")
    offset = getattr(transport, "offset", 0)
    return len(buffer), offset, delivery_of(transport).acknowledged


class _RequestFlow(_DaphneFlow):
    """Flow control of one HTTP response."""

    def __init__(self, request: Any) -> None:
        super().__init__(request.transport)
        self._request = request
        if self._is_over:
            self._is_lost = True
        else:
            request.registerProducer(self, True)

    @property
    def _is_over(self) -> bool:
        """Whether the response is complete, or the client gone."""
        return bool(self._request.finished) or self._request.channel is None

    def _unregister(self) -> None:
        if not self._is_over:
            self._request.unregisterProducer()


class _WebSocketFlow(_DaphneFlow):
    """Flow control of one WebSocket, in both directions.

    While it waits for the peer, or keeps the peer waiting, pings go unanswered; then
    Daphne must not take the peer for dead.
    """

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol
        self._ping_timeout = protocol.autoPingTimeout
        self._is_reading_held = False
        # Daphne leaves the HTTP channel there that the handshake came by, which has
        # nothing to do any more.
        self._transport.unregisterProducer()
        self._transport.registerProducer(self, True)

    @contextmanager
    def reading_held(self) -> Iterator[None]:
        """Read nothing from the peer in the block, once that takes a while.

        Daphne's queue of ASGI events is not bounded.
        """
        hold = self._loop.call_soon(self._hold_reading)
        try:
            yield
        finally:
            hold.cancel()
            if self._is_reading_held:
                self._is_reading_held = False
                self._transport.resumeProducing()
                self._set_ping_timeout()

    def pauseProducing(self) -> None:
        """Be told that the buffer is full."""
        super().pauseProducing()
        self._set_ping_timeout()

    def resumeProducing(self) -> None:
        """Be told that the buffer is empty."""
        super().resumeProducing()
        self._set_ping_timeout()

    def _hold_reading(self) -> None:
        if not self._is_lost:
            self._is_reading_held = True
            self._transport.pauseProducing()
            self._set_ping_timeout()

    def _set_ping_timeout(self) -> None:
        protocol = self._protocol
        if not (self.is_congested or self._is_reading_held):
            protocol.autoPingTimeout = self._ping_timeout
            return
        protocol.autoPingTimeout = 0
        if protocol.autoPingTimeoutCall is not None:
            protocol.autoPingTimeoutCall.cancel()
            protocol.autoPingTimeoutCall = None

    def _unregister(self) -> None:
        self._transport.unregisterProducer()


# Going on without the client ------------------------------------------------------


def leave(send: Send) -> None:
    """Let an application go on for as long as it takes, after its client has gone.

    Daphne would end it after ten seconds. The caller holds the task.
    """
    request = _protocol_of(send, "daphne.http_protocol", "WebRequest")
    if request is not None:
        connection = request.server.connections.get(request)
        if connection is not None:
            ended = asyncio.get_running_loop().create_future()
            ended.set_result(None)
            connection["application_instance"] = ended


# WebSocket ----------------------------------------------------------------------


def scheme_of(scope: Scope, send: Send) -> str:
    """Give the HTTP scheme that a WebSocket's handshake came by.

    Daphne's scopes have none.
    """
    protocol = _protocol_of(send, "daphne.ws_protocol", "WebSocketProtocol")
    if protocol is None:
        return "https" if scope.get("scheme") == "wss" else "http"
    # Daphne runs, so that Twisted is there; other servers do not have to have it.
    from twisted.internet.interfaces import ISSLTransport

    # Named by a proxy, where Daphne was told to believe it.
    told: str | None = getattr(protocol, "client_scheme", None)
    return told or ("https" if ISSLTransport.providedBy(protocol.transport) else "http")


def limit_messages(send: Send, max_bytes: int) -> None:
    """Say how large a WebSocket's messages may be, where the server can be told.

    Daphne's own limit, 1 MiB both ways, is for the whole site.
    """
    protocol = _protocol_of(send, "daphne.ws_protocol", "WebSocketProtocol")
    if protocol is not None:
        protocol.maxMessagePayloadSize = protocol.maxFramePayloadSize = max_bytes
        # Close with 1009, instead of dropping the connection without a word.
        protocol.failByDrop = False


async def deny_handshake(
    scope: Scope, send: Send, status: int, headers: Headers, body: bytes
) -> None:
    """Refuse to open a WebSocket, with an HTTP answer where the server can send one.

    Spec: ASGI, "WebSocket Denial Response"; RFC 6455, 4.2.2.
    """
    protocol = _protocol_of(send, "daphne.ws_protocol", "WebSocketProtocol")
    if protocol is not None:
        _deny_on_daphne(protocol, status, headers, body)
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        start = "websocket.http.response.start"
        await send({"type": start, "status": status, "headers": list(headers)})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close"})


def _deny_on_daphne(protocol: Any, status: int, headers: Headers, body: bytes) -> None:
    """Do what Daphne's `serverReject` does, with another answer."""
    if protocol.state != protocol.STATE_CONNECTING:
        return  # The client has gone.
    reason = responses.get(status, "Refused")
    named = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers
    ]
    protocol.wasNotCleanReason = reason
    protocol.sendHttpErrorResponse(status, reason, [*named, ("connection", "close")])
    protocol.sendData(body)
    protocol.dropConnection(abort=False)
    # Daphne takes the handshake for one that is under way as long as this is there.
    del protocol.handshake_deferred
    protocol.server.protocol_disconnected(protocol)
    client = protocol.client_addr and "{}:{}".format(*protocol.client_addr)
    details = {"path": protocol.request.path, "client": client}
    protocol.server.log_action("websocket", "rejected", details)


async def close_websocket(send: Send, code: int, reason: str) -> None:
    """Close an open WebSocket.

    Daphne itself allows 1000 and the codes above 3000 only.

    Spec: RFC 6455, 7.4.
    """
    protocol = _protocol_of(send, "daphne.ws_protocol", "WebSocketProtocol")
    if protocol is None:
        shown = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        await send({"type": "websocket.close", "code": code, "reason": shown})
    elif protocol.state == protocol.STATE_OPEN:
        protocol.sendCloseFrame(code, reason.encode()[:_MAX_REASON_BYTES])
