"""A proxy that breaks connections in the ways that networks do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream


class Proxy:
    """Passes bytes between clients and a server on this computer.

    Args:
        port: Where the server listens.

    Attributes:
        port: Where the proxy does.
        delay: Seconds for which all that passes is held up, in both directions.
        drops: Whether what would pass is lost; as with a cable that is cut.
        refuses: Whether new connections are broken at once.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.delay = 0.0
        self.drops = False
        self.refuses = False
        self._flows = anyio.Event()
        self._flows.set()
        self._connections: set[anyio.CancelScope] = set()
        self.port = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def freeze(self) -> None:
        """Pass nothing more, but let all connections look open: half-open ones."""
        self._flows = anyio.Event()

    def thaw(self) -> None:
        """Pass everything again."""
        self._flows.set()

    def cut(self) -> None:
        """Break all connections."""
        for scope in list(self._connections):
            scope.cancel()

    async def serve(self, client: SocketStream) -> None:
        """Pass the bytes of one connection."""
        with anyio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                async with client:
                    if not self.refuses:
                        await self._join(client)
            except OSError:
                pass  # The server is not there.
            finally:
                self._connections.discard(scope)

    async def _join(self, client: SocketStream) -> None:
        server = await anyio.connect_tcp("127.0.0.1", self._server_port)
        async with server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._pass, client, server)
            await self._pass(server, client)
            tasks.cancel_scope.cancel()

    async def _pass(self, source: SocketStream, drain: SocketStream) -> None:
        # Either end may be gone at any moment.
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            try:
                while True:
                    data = await source.receive()
                    await self._flows.wait()
                    if self.delay:
                        await anyio.sleep(self.delay)
                    if not self.drops:
                        await drain.send(data)
            except anyio.EndOfStream:
                await self._flows.wait()
                await drain.send_eof()


@asynccontextmanager
async def running_proxy(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy before a port of 127.0.0.1 until the end of the block."""
    proxy = Proxy(port)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    proxy.port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy
        tasks.cancel_scope.cancel()
