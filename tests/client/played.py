"""A server in the event loop of a client that is not async."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from anyio.abc import TaskGroup

from mcp_django.client.sync import SyncClient
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Transport
from tests.client.scripted import MODERN, Script, ScriptedServer

Play = Callable[[ScriptedServer], Coroutine[Any, Any, None]]


async def do_nothing(server: ScriptedServer) -> None:
    """Play a server that does what its script says."""


class PlayedTransport(Transport):
    """A transport with the server at its other end, in the same event loop.

    Args:
        script: What the server answers.
        play: What it does besides.

    Attributes:
        server: The server; made in the event loop.
    """

    server: ScriptedServer

    def __init__(self, script: Script, play: Play) -> None:
        super().__init__()
        self._script = script
        self._play = play

    async def start(self, tasks: TaskGroup) -> None:
        self.server = ScriptedServer(self._script)
        inner = self.server.transport
        inner.on_message = self.on_message
        inner.on_error = self.on_error
        inner.on_close = self.on_close
        await self.server.start(tasks)
        await inner.start(tasks)
        tasks.start_soon(self._play, self.server)

    async def send(self, message: Message) -> None:
        await self.server.transport.send(message)

    async def close(self) -> None:
        await self.server.transport.close()


def loops() -> list[threading.Thread]:
    """Give the threads that keep connections."""
    return [thread for thread in threading.enumerate() if "portal" in thread.name]


@contextmanager
def connected(
    script: Script = MODERN,
    play: Play = do_nothing,
    *,
    more: Script | None = None,
    **options: Any,
) -> Iterator[tuple[SyncClient, ScriptedServer]]:
    """Connect with a server; its thread has ended at the end of the block."""
    before = loops()
    transport = PlayedTransport({**script, **(more or {})}, play)
    with SyncClient(transport, timeout=5.0, **options) as client:
        yield client, transport.server
    assert loops() == before
