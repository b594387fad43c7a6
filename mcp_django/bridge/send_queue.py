"""Messages on their way to one peer, from many tasks, in the order they were given."""

from __future__ import annotations

from typing import Final

import anyio

from mcp_django.bridge.queues import Queue
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import MCPError
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Transport

logger = FaultLog("mcp_django.client")

_MAX_WAITING: Final = 1000
"""Messages that wait for a peer that does not read."""


class SendQueue:
    """Sends messages over a transport, one after the other.

    Args:
        transport: Where they go; what it refuses is logged.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting: Queue[Message] = Queue(_MAX_WAITING)
        self._is_empty = anyio.Event()
        self._is_empty.set()

    async def run(self) -> None:
        """Send what is given, until cancelled."""
        while True:
            message = await self._waiting.get()
            try:
                await self._transport.send(message)
            except (MCPError, ValueError) as error:
                logger.debug("a message is lost: %s", error)
            if not self._waiting:
                self._is_empty.set()

    async def send(self, message: Message) -> None:
        """Take a message; waits while too many others do."""
        await self._waiting.put(message)
        self._note_one()

    def send_soon(self, message: Message) -> None:
        """Take a message that may be dropped if too many others wait."""
        if self._waiting.put_nowait(message):
            self._note_one()
            return
        logger.warning(
            "a message is dropped, as %d others wait: see why the peer does not read",
            _MAX_WAITING,
        )

    async def wait_until_empty(self) -> None:
        """Return when everything was sent."""
        await self._is_empty.wait()

    def _note_one(self) -> None:
        if self._is_empty.is_set():
            self._is_empty = anyio.Event()
