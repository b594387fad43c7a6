"""Bindings over connections that carry messages both ways: WebSockets and sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup, UNIXSocketStream

from mcp_django.auth.interface import User
from mcp_django.consumers.applications import application_of
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.server import Server
from mcp_django.sessions.serving import serve
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.byte_stream import ByteStreamTransport
from mcp_django.transports.streams import open_streams
from tests.consumers.websocket_connections import Closed, WebSocket, open_websocket


@asynccontextmanager
async def connect_websocket(
    server: Server, user: User, scopes: frozenset[str] | None = None
) -> AsyncIterator[tuple[Any, Any]]:
    """Connect by a WebSocket, through the consumer."""
    async with (
        open_websocket(
            application_of(Endpoint(server, "mcp"), "websocket"),
            headers=headers_of(user, scopes),
            subprotocols=["mcp"],
            is_initialized=False,
        ) as websocket,
        open_streams(WebSocketClient(websocket)) as streams,
    ):
        yield streams


@asynccontextmanager
async def connect_byte_stream(
    server: Server, user: User, scopes: frozenset[str] | None = None
) -> AsyncIterator[tuple[Any, Any]]:
    """Connect by a pair of Unix sockets."""
    ours, theirs = socket.socketpair()
    client_end = ByteStreamTransport(await UNIXSocketStream.from_socket(ours))
    server_end = ByteStreamTransport(
        await UNIXSocketStream.from_socket(theirs), sender=Sender(scopes=scopes)
    )
    async with anyio.create_task_group() as tasks:

        async def answer() -> None:
            await serve(server, server_end, user=user)

        tasks.start_soon(answer)
        async with open_streams(client_end) as streams:
            yield streams


def headers_of(user: User, scopes: frozenset[str] | None) -> dict[str, str]:
    """Say who the client works as, and what its credential allows."""
    headers = {"X-User": user.get_username()}
    if scopes is not None:
        headers["X-Scopes"] = " ".join(sorted(scopes))
    return headers


class WebSocketClient(Transport):
    """The client's end of a WebSocket in this event loop."""

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__()
        self._websocket = websocket
        self._reading = anyio.CancelScope()
        self._is_closed = False

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to read frames."""
        tasks.start_soon(self._read)

    async def send(self, message: Message) -> None:
        """Send a message as a text frame."""
        self._websocket.send(jsonrpc.serialize(message).decode())

    async def close(self) -> None:
        """Stop reading; whoever opened the WebSocket closes it."""
        if not self._is_closed:
            self._is_closed = True
            self._reading.cancel()
            self.on_close()

    async def _read(self) -> None:
        with self._reading:
            while not isinstance(frame := await self._websocket.read(), Closed):
                await self.deliver(frame.encode(), Sender())
        await self.close()
