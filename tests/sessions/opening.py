"""Open sessions with streams, without HTTP."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.server.server import Server
from mcp_django.sessions.registry import OpenSession, Registry
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender
from mcp_django.transports.server.sse import SSEServerTransport, StreamLimits
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import Worker

LIMITS = StreamLimits(
    max_event_bytes=10_000,
    unconfirmed_bytes=1_000_000,
    max_held_bytes=1_000_000,
    max_held_seconds=300.0,
    keep_alive_seconds=15.0,
)


class Stream:
    """What a client reads of its stream.

    Attributes:
        sent: The messages written to it.
    """

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def write(self, chunk: bytes) -> None:
        if chunk.startswith(b"event: message"):
            message = jsonrpc.parse(chunk.split(b"data: ", 1)[1])
            assert not isinstance(message, list)
            self.sent.append(message)


def open_session(
    id: str,
    server: Server,
    *,
    user: Any = None,
    authenticator: Authenticator | None = None,
    stream: Stream | None = None,
    limits: StreamLimits = LIMITS,
) -> OpenSession:
    """Make a session whose stream is open; nobody's, unless there is a user."""
    identity = Identity(user or AnonymousUser(), authenticator)
    transport = SSEServerTransport(
        (stream or Stream()).write, endpoint="/messages", limits=limits
    )
    session = Session(server, transport, LoopTasks(), id=id)
    return OpenSession(
        id=id, server=server, identity=identity, transport=transport, session=session
    )


async def initialize(opened: OpenSession, version: str = "2025-11-25") -> None:
    """Open the session as its client does."""
    params: JSONObject = {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "client", "version": "1"},
    }
    message = jsonrpc.request("init", "initialize", params)
    await opened.transport.receive(message, Sender(opened.identity.user))


def body_of(method: str, params: JSONObject | None = None, *, id: Any = 1) -> bytes:
    """Make the body of a POST."""
    return jsonrpc.serialize(jsonrpc.request(id, method, params))


def hold(worker: Worker, opened: OpenSession) -> None:
    """Have a worker look after a session, as the consumer of its stream does."""
    worker.part(Registry).add(opened)
    if opened.session is not None:
        worker.listeners.add(opened.session)
    worker.hold(opened)


def let_go(worker: Worker, opened: OpenSession) -> None:
    """Have a worker forget a session whose stream has ended."""
    worker.part(Registry).remove(opened)
    if opened.session is not None:
        worker.listeners.discard(opened.session)
    worker.let_go(opened)
