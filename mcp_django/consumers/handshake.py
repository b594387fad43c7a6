"""The HTTP exchange that opens a WebSocket."""

from __future__ import annotations

from typing import Final

from mcp_django.consumers import daphne
from mcp_django.consumers.exchange import (
    Disconnected,
    Event,
    Exchange,
    Receive,
    Scope,
    Send,
)
from mcp_django.exceptions import TransportClosed
from mcp_django.transports.server.flow_control import Flow
from mcp_django.transports.server.refusals import Refused
from mcp_django.transports.server.websocket import INTERNAL_ERROR
from mcp_django.transports.tap import tap
from mcp_django.transports.websocket import SUBPROTOCOL

_CLOSED_WELL: Final = (1000, 1001, 1005)
"""What the client gives for closing a WebSocket: that it is done, that it goes away, or
nothing. Spec: RFC 6455, 7.4.1."""


class Handshake(Exchange):
    """A GET that is either refused as any HTTP request, or becomes a WebSocket.

    ::

        NEW --accept()--> OPEN --close(), or the client goes--> ENDED
        NEW --respond(), refuse()-----------------------------> ENDED

    Attributes:
        is_closed_well: Whether the client has closed the WebSocket as it should.

    Spec: RFC 6455, section 4; ASGI, "WebSocket".
    """

    binding = "websocket"

    __slots__ = ("_denial", "_send_event", "_websocket_scope", "is_closed_well")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http_scope = {
            **scope,
            "type": "http",
            "method": "GET",
            "scheme": daphne.scheme_of(scope, send),
        }
        super().__init__(http_scope, receive, self._deny)
        self._send_event = send
        self.is_closed_well = False
        self._websocket_scope = scope
        self._denial: Event = {}

    async def wait_for_connect(self) -> None:
        """Wait until the client has asked to connect.

        Raises:
            Disconnected: The client went away.
        """
        if (await self._receive())["type"] != "websocket.connect":
            raise Disconnected

    async def accept(self, subprotocol: str | None) -> None:
        """Open the WebSocket."""
        self.forget_request()
        self.is_started = True
        await self._send_event(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": []}
        )

    def flow(self) -> Flow:
        """Give the flow control of the WebSocket; the transport closes it."""
        return daphne.flow_of(self._send_event)

    def limit_messages(self, max_bytes: int) -> None:
        """Say how large messages may be, where the server can be told."""
        daphne.limit_messages(self._send_event, max_bytes)

    async def read_frame(self) -> str | bytes:
        """Wait for the next data frame.

        Raises:
            Disconnected: The client is gone.
        """
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self.is_ended = True
            self.is_closed_well = event.get("code") in _CLOSED_WELL
            raise Disconnected
        text: str | None = event.get("text")
        frame: str | bytes = event.get("bytes", b"") if text is None else text
        if tap.watches:
            tap.show("received", _bytes_of(frame), self)
        return frame

    async def send_text(self, text: str) -> None:
        """Send a text frame.

        Raises:
            TransportClosed: It cannot be sent.
        """
        if self.is_ended:
            raise TransportClosed("cannot send: the client is gone")
        if tap.watches:
            tap.show("sent", _bytes_of(text), self)
        try:
            await self._send_event({"type": "websocket.send", "text": text})
        except Exception as error:
            # Each server has exceptions of its own for a client that has gone.
            raise TransportClosed("cannot send: the client is gone") from error

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket; more calls do nothing, nor if the client is gone."""
        if self.is_ended:
            return
        self.is_ended = True
        await daphne.close_websocket(self._send_event, code, reason)

    async def end_stream(self) -> None:
        """Close the WebSocket, if that was forgotten."""
        await self.close(INTERNAL_ERROR, "")

    def choose_subprotocol(self) -> str | None:
        """Choose among the subprotocols that the client offers.

        Returns:
            Ours, or None if it offers none at all.

        Raises:
            Refused: It offers others only: 400.
        """
        offered = [name for name in self.scope.get("subprotocols") or () if name]
        if SUBPROTOCOL in offered:
            return SUBPROTOCOL
        if offered:
            raise Refused(400, f"offer the subprotocol {SUBPROTOCOL}, or none")
        return None

    async def _deny(self, event: Event) -> None:
        """Send an HTTP answer instead of opening the WebSocket."""
        if event["type"] == "http.response.start":
            self._denial = event
            return
        await daphne.deny_handshake(
            self._websocket_scope,
            self._send_event,
            self._denial["status"],
            self._denial["headers"],
            event["body"],
        )


def _bytes_of(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode(errors="surrogatepass")
