"""The bindings: each connects a client's pair of streams with a server.

`BINDINGS` has them by name. A binding is called with the server, the user that the
client works as and the scopes of its credential, and gives the client's streams until
the end of the block.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import anyio
import httpx2
import sniffio
from anyio.abc import TaskGroup
from django.contrib.auth.models import AnonymousUser, User
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.auth.interface import User as SiteUser
from mcp_django.consumers.applications import Application, application_of
from mcp_django.protocol.versions import LEGACY, MODERN
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.server import Server
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.memory import memory_transports
from mcp_django.transports.server.stdio import StdioServerTransport
from mcp_django.transports.streams import open_streams
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import site_of
from tests.interaction.in_process import InProcessTransport
from tests.interaction.websocket import (
    connect_byte_stream,
    connect_websocket,
    headers_of,
)

Streams: TypeAlias = Sequence[Any]
Scopes: TypeAlias = frozenset[str] | None
Binding: TypeAlias = Callable[
    [Server, SiteUser, Scopes], AbstractAsyncContextManager[Streams]
]

STAFF: Final = User(pk=1, username="staff", is_superuser=True)
NOBODY: Final = AnonymousUser()
_MAX_LINE_BYTES = 16 * 1024 * 1024


class ByHeader(Authenticator):
    """Believes a header; for `MCP["AUTHENTICATION"]`."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find the user that the header names, and what another one allows."""
        is_staff = request.headers.get("X-User") == STAFF.username
        text = request.headers.get("X-Scopes")
        scopes = None if text is None else frozenset(text.split())
        return Identity(STAFF if is_staff else NOBODY, self, scopes=scopes)

    def is_still_valid(self, identity: Identity) -> bool:
        """Go on believing."""
        return True


@asynccontextmanager
async def connect_memory(
    server: Server, user: SiteUser, scopes: Scopes = None
) -> AsyncIterator[Streams]:
    """Connect in memory."""
    client_end, server_end = memory_transports(client=Sender(user, scopes=scopes))
    async with anyio.create_task_group() as tasks:
        async with (
            driven(server, server_end, tasks),
            open_streams(client_end) as streams,
        ):
            yield streams
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def connect_stdio(
    server: Server, user: SiteUser, scopes: Scopes = None
) -> AsyncIterator[Streams]:
    """Connect by two pipes, as between a client and its child process.

    The client's end carries lines just as the server's does, so that the same
    transport serves for it.
    """
    with pipe() as (from_client, to_server), pipe() as (from_server, to_client):
        server_end = StdioServerTransport(
            stdin=from_client,
            stdout=to_client,
            sender=Sender(user, scopes=scopes),
            max_line_bytes=_MAX_LINE_BYTES,
        )
        client_end = StdioServerTransport(
            stdin=from_server,
            stdout=to_server,
            sender=Sender(NOBODY),
            max_line_bytes=_MAX_LINE_BYTES,
        )
        async with anyio.create_task_group() as tasks:
            async with driven(server, server_end, tasks):
                async with open_streams(client_end) as streams:
                    yield streams
                await server_end.close()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def connect_sse(
    server: Server,
    user: SiteUser,
    scopes: Scopes = None,
    application: Application | None = None,
) -> AsyncIterator[Streams]:
    """Connect by HTTP+SSE, through the consumers and the SDK's own client."""
    site = application or site_of(server)

    def open_client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        transport = InProcessTransport(site)
        return httpx2.AsyncClient(
            headers=headers, timeout=timeout, auth=auth, transport=transport
        )

    async with sse_client(
        "http://testserver/mcp/sse",
        headers=headers_of(user, scopes),
        httpx_client_factory=open_client,
    ) as streams:
        yield streams


@asynccontextmanager
async def connect_http(
    server: Server,
    user: SiteUser,
    scopes: Scopes = None,
    application: Application | None = None,
) -> AsyncIterator[Streams]:
    """Connect by Streamable HTTP, through the consumer and the SDK's own client."""
    site = application or application_of(Endpoint(server, "mcp"))
    transport = InProcessTransport(site)
    headers = headers_of(user, scopes)
    async with (
        httpx2.AsyncClient(headers=headers, transport=transport) as http,
        streamable_http_client("http://testserver/mcp", http_client=http) as streams,
    ):
        yield (*streams, transport.has_stream)


def connect_view_of_sse(
    server: Server, user: SiteUser, scopes: Scopes = None
) -> AbstractAsyncContextManager[Streams]:
    """Connect by HTTP+SSE, through Django and the URLconf, which has the server."""
    return connect_sse(server, user, scopes, ASGIHandler())


def connect_view_of_http(
    server: Server, user: SiteUser, scopes: Scopes = None
) -> AbstractAsyncContextManager[Streams]:
    """Connect by Streamable HTTP, through Django and the URLconf."""
    return connect_http(server, user, scopes, ASGIHandler())


@dataclass(frozen=True)
class Carried:
    """A binding, and what it can carry.

    Attributes:
        connect: Connects a client with a server.
        versions: Protocol versions that it carries.
        loops: Event loops that it runs on.
    """

    connect: Binding
    versions: Sequence[str]
    loops: Sequence[str] = ("asyncio",)


BOTH_LOOPS: Final = ("asyncio", "trio")
ALL_VERSIONS: Final = (*LEGACY, *MODERN)

BINDINGS: Final[Mapping[str, Carried]] = {
    "memory": Carried(connect_memory, ALL_VERSIONS, BOTH_LOOPS),
    "stdio": Carried(connect_stdio, ALL_VERSIONS, BOTH_LOOPS),
    "socket": Carried(connect_byte_stream, ALL_VERSIONS, BOTH_LOOPS),
    "sse": Carried(connect_sse, LEGACY),
    "http": Carried(connect_http, ALL_VERSIONS),
    "websocket": Carried(connect_websocket, ALL_VERSIONS),
}

VIEWS: Final[Mapping[str, Carried]] = {
    "view-sse": Carried(connect_view_of_sse, LEGACY),
    "view-http": Carried(connect_view_of_http, ALL_VERSIONS),
}
"""The Django way in, for scenarios that set `ROOT_URLCONF`."""


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Open a pipe, and close both its ends."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


@asynccontextmanager
async def driven(
    server: Server, transport: Transport, tasks: TaskGroup
) -> AsyncIterator[None]:
    """Drive a transport by a session, as `serve` does."""
    is_asyncio = sniffio.current_async_library() == "asyncio"
    session = Session(server, transport, LoopTasks() if is_asyncio else tasks)
    with listening(session):
        await transport.start(tasks)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await session.end()


@contextmanager
def listening(session: Session) -> Iterator[None]:
    """Let a session hear of changes, as the site's own sessions do on asyncio."""
    if sniffio.current_async_library() != "asyncio":
        yield
        return
    listeners = current_worker().listeners
    listeners.add(session)
    try:
        yield
    finally:
        listeners.discard(session)
