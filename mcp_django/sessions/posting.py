"""Handing a posted message to its session, in the worker that holds it."""

from __future__ import annotations

from dataclasses import replace

import anyio
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.exceptions import RemoteProtocolError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.sessions.registry import OpenSession
from mcp_django.transports.base import Sender
from mcp_django.worker.acknowledgement import ACCEPTED, FULL, NOT_FOUND, Taken, refusal


async def take(
    opened: OpenSession, body: bytes, sender: Sender, *, room_timeout: float
) -> Taken:
    """Read a body and hand its messages to a session.

    Args:
        opened: The session, which the sender may use.
        body: What was posted.
        sender: Who posted it.
        room_timeout: Seconds to wait for room; answers, pings and notifications
            never wait.
    """
    transport, session = opened.transport, opened.session
    try:
        messages = transport.messages_of(jsonrpc.parse(body))
    except RemoteProtocolError as error:
        return refusal(400, error.message, code=error.code, data=error.data)
    if len(messages) > 1:
        # They share the bytes, as far as room goes.
        sender = replace(sender, size=len(body) // len(messages))
    try:
        for message in messages:
            if session is None or not (
                session.room.is_full and isinstance(message, JSONRPCRequest)
            ):
                await transport.receive(message, sender)
                continue
            with anyio.move_on_after(room_timeout) as scope:
                await transport.receive(message, sender)
            if scope.cancelled_caught:
                return FULL
    except TransportClosed:
        # It ended after it was found.
        return NOT_FOUND
    return ACCEPTED
