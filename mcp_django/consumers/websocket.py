"""WebSocket at the endpoint of Streamable HTTP: one connection, both ways."""

from __future__ import annotations

import time
from dataclasses import replace

import anyio

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.tallies import tallies
from mcp_django.conf import mcp_settings
from mcp_django.consumers import gate
from mcp_django.consumers.exchange import Disconnected, Exchange
from mcp_django.consumers.handshake import Handshake
from mcp_django.consumers.long_lived import Holding, LongLivedConsumer
from mcp_django.exceptions import ServiceAway
from mcp_django.sessions.held import HeldSession
from mcp_django.sessions.posting import Posting
from mcp_django.transports.base import Sender
from mcp_django.transports.server.flow_control import Flow
from mcp_django.transports.server.refusals import Refused
from mcp_django.transports.server.unread import Account
from mcp_django.transports.server.websocket import (
    INTERNAL_ERROR,
    POLICY_VIOLATION,
    WebSocketLimits,
    WebSocketServerTransport,
)
from mcp_django.worker.worker import current_worker

logger = FaultLog("mcp_django.consumers")

_END_SECONDS = 0.2
"""For telling a client that what it listens to ends; the process has a second."""


class WebSocketConsumer(LongLivedConsumer[WebSocketServerTransport]):
    """Holds one WebSocket and what its client does over it, in both eras.

    Override `drive` to run another program than our `Session` over the transport.

    Spec: 2025-11-25 basic/transports, "Custom Transports".
    """

    exchange_type = Handshake

    async def handle(self, exchange: Exchange) -> None:
        """Open the WebSocket and hold it until either side closes it."""
        assert isinstance(exchange, Handshake)
        handshake = exchange
        await handshake.wait_for_connect()
        identity = await gate.admit(handshake, ("GET",), cookies_need_origin=True)
        assert identity is not None  # it is no preflight
        subprotocol = handshake.choose_subprotocol()
        worker = current_worker()
        session_id = await worker.part(Posting).new_address()
        handshake.session_id = session_id
        with await worker.connections.reserve(identity.owner, "stream"):
            flow = handshake.flow()
            transport = WebSocketServerTransport(
                handshake.send_text,
                handshake.close,
                flow=flow,
                limits=_limits(),
                account=Account(worker.unread, identity.owner),
            )
            connection = WebSocketConnection(identity=identity, transport=transport)
            async with Holding(self, handshake, connection, worker, session_id):
                handshake.limit_messages(
                    max(mcp_settings.MAX_LINE_BYTES, mcp_settings.MAX_EVENT_BYTES)
                )
                await handshake.accept(subprotocol)
                await transport.start()
                caller = _Caller(handshake, identity)
                try:
                    await _read(handshake, connection, flow, caller)
                except BaseException as error:
                    if ends_task(error):
                        raise
                    await transport.close(INTERNAL_ERROR, "internal error")
                    raise


class WebSocketConnection(HeldSession[WebSocketServerTransport]):
    """An open WebSocket, as its worker sees it."""

    __slots__ = ()

    async def close(self) -> None:
        """End what the client listens to, and the connection."""
        if self.session is not None and not self.transport.is_congested:
            with anyio.move_on_after(_END_SECONDS):
                await self.session.end_subscriptions()
        await self.transport.close()


async def _read(
    handshake: Handshake,
    connection: WebSocketConnection,
    flow: Flow,
    caller: _Caller,
) -> None:
    """Hand over what comes, until the client is gone or may send nothing more."""
    transport = connection.transport
    while True:
        try:
            frame = await handshake.read_frame()
            sender = await caller.sender()
        except Disconnected:
            if handshake.is_closed_well:
                connection.note_why("client")
            return
        except Refused as refused:
            tallies.refuse(refused.status, refused.message)
            connection.note_why("credentials")
            await transport.close(POLICY_VIOLATION, refused.message)
            return
        # While the session has no room, the client has to wait.
        with flow.reading_held():
            if isinstance(frame, str):
                await transport.receive_text(frame, sender)
            else:
                await transport.receive_bytes()
        if transport.is_closed:
            connection.note_why("error")


class _Caller:
    """Names the client's user as sender, as the authenticators see them now.

    Over HTTP each message brings its credentials. Here they came with the handshake, so
    that they are looked at again every `RECHECK_SECONDS`; permissions may change, too.
    """

    def __init__(self, handshake: Handshake, identity: Identity) -> None:
        self._handshake = handshake
        self._owner = identity.owner
        self._sender = Sender(
            identity.user,
            handshake.headers,
            address=handshake.address,
            scopes=identity.scopes,
            credential_label=identity.label,
            binding=WebSocketServerTransport.binding,
        )
        self._seen_at = time.monotonic()

    async def sender(self) -> Sender:
        """Give the sender of a message that came now.

        Raises:
            Refused: The credentials are no longer valid.
        """
        if time.monotonic() - self._seen_at >= mcp_settings.RECHECK_SECONDS:
            self._seen_at = time.monotonic()
            await self._look_again()
        return self._sender

    async def _look_again(self) -> None:
        try:
            identity = await gate.authenticate(
                self._handshake, cookies_need_origin=True
            )
        except ServiceAway:
            # It has said so in the log. Rechecks end it if that lasts.
            return
        finally:
            self._handshake.forget_request()
        if identity.owner != self._owner:
            raise Refused(401, "the credentials are of another user now")
        self._sender = replace(self._sender, user=identity.user)


def _limits() -> WebSocketLimits:
    return WebSocketLimits(
        max_received_bytes=mcp_settings.MAX_LINE_BYTES,
        max_sent_bytes=mcp_settings.MAX_EVENT_BYTES,
        max_held_seconds=mcp_settings.MAX_HELD_SECONDS,
        max_full_seconds=mcp_settings.MAX_FULL_SECONDS,
    )
