"""Handing a posted message to its session, in the worker that holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import anyio
from mcp_types.jsonrpc import INTERNAL_ERROR, JSONRPCRequest

from mcp_django.exceptions import RemoteProtocolError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.sessions.registry import OpenSession
from mcp_django.transports.base import Sender


@dataclass(frozen=True, slots=True)
class Taken:
    """What to answer to a POST.

    Attributes:
        status: HTTP status; 202 says that the session took the message.
        body: JSON bytes, empty for 202.
    """

    status: int
    body: bytes = b""


ACCEPTED = Taken(202)


def refusal(
    status: int, message: str, *, code: int = INTERNAL_ERROR, data: Any = None
) -> Taken:
    """Make the answer to a POST that was not taken: a JSON-RPC error without id."""
    return Taken(status, jsonrpc.serialize(jsonrpc.error(None, code, message, data)))


NOT_FOUND = refusal(404, "Session not found", code=-32001)
"""One answer for all: nobody learns whether a session of somebody else exists."""

FULL = refusal(503, "The session has no room for more requests; try again later")


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
    transport = opened.transport
    try:
        messages = transport.messages_of(jsonrpc.parse(body))
    except RemoteProtocolError as error:
        return refusal(400, error.message, code=error.code, data=error.data)
    if len(messages) > 1:
        # They share the bytes, as far as room goes.
        sender = replace(sender, size=len(body) // len(messages))
    try:
        for message in messages:
            if opened.has_room or not isinstance(message, JSONRPCRequest):
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
