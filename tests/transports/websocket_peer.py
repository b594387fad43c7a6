"""The server's end of WebSockets, which does and sends what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio.abc import ByteStream, SocketAttribute
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from mcp_django.transports.client.websocket import WebSocketClientTransport
from tests.transports.witness import PATIENCE_SECONDS, Witness

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class Peer:
    """The server's end of one connection.

    Attributes:
        stream: For bytes as they are.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._protocol = ServerProtocol(max_size=None)
        self._frames: list[Frame] = []

    async def request(self) -> Request:
        """Read the client's handshake."""
        while True:
            self._protocol.receive_data(await self.stream.receive())
            for event in self._protocol.events_received():
                assert isinstance(event, Request)
                return event

    async def accept(
        self,
        headers: Mapping[str, str | None] = {"Sec-WebSocket-Protocol": "mcp"},
        *,
        more: bytes = b"",
    ) -> Request:
        """Accept the handshake.

        Args:
            headers: To add or replace; None leaves one out.
            more: Sent in the same packet.
        """
        request = await self.request()
        response = self._protocol.accept(request)
        for name, value in headers.items():
            if name in response.headers:
                del response.headers[name]
            if value is not None:
                response.headers[name] = value
        self._protocol.send_response(response)
        await self.stream.send(b"".join(self._protocol.data_to_send()) + more)
        return request

    async def send_text(self, data: bytes) -> None:
        """Send one message."""
        await self.stream.send(frame(Opcode.TEXT, data))

    async def frame(self) -> Frame:
        """Read the client's next frame."""
        while not self._frames:
            self._protocol.receive_data(await self.stream.receive())
            for event in self._protocol.events_received():
                assert isinstance(event, Frame)
                self._frames.append(event)
        return self._frames.pop(0)

    async def text(self) -> bytes:
        """Read the client's next frame, which is a message."""
        received = await self.frame()
        assert (received.opcode, received.fin) == (Opcode.TEXT, True)
        return bytes(received.data)

    async def close_frame(self) -> tuple[int, str]:
        """Read up to the client's close frame; give its code and reason."""
        while (received := await self.frame()).opcode is not Opcode.CLOSE:
            pass
        close = Close.parse(received.data)
        return int(close.code), close.reason

    async def until_gone(self) -> None:
        """Wait until the client has closed the connection."""
        try:
            while True:
                await self.stream.receive()
        except _GONE:
            pass


Serve: TypeAlias = Callable[[Peer], Awaitable[Any]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """Open a server for the time of the block; give its URL.

    Leaving the block waits until `serve` has come to its end.

    Args:
        serve: Called with the connection, which it leaves to be closed.
    """

    async def handle(stream: ByteStream) -> None:
        async with stream:
            await serve(Peer(stream))
        done.set()

    done = anyio.Event()
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        port = listener.extra(SocketAttribute.local_port)
        yield f"ws://127.0.0.1:{port}/mcp"
        with anyio.fail_after(PATIENCE_SECONDS):
            await done.wait()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    url: str, **options: Any
) -> AsyncIterator[tuple[WebSocketClientTransport, Witness]]:
    """Open a client for the time of the block, after which nothing of it is left."""
    transport = WebSocketClientTransport(url, **options)
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            yield transport, witness
            await transport.close()
    assert witness.closed == 1


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Write a frame as servers do."""
    return Frame(opcode, data, fin).serialize(mask=False)


def closing(code: int, reason: str = "") -> bytes:
    """Write a close frame."""
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode())
