"""Notes what a transport tells its driver."""

from collections.abc import Callable

import anyio

from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from tests import patience

PATIENCE_SECONDS = patience.PATIENCE_SECONDS


class Witness:
    """The driver of a transport: notes every call, and can be waited for."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.messages: list[Message] = []
        self.senders: list[Sender] = []
        self.errors: list[Exception] = []
        self.closed = 0
        self._changed = anyio.Event()
        transport.on_message = self._on_message
        transport.on_error = self._on_error
        transport.on_close = self._on_close

    async def until(self, is_true: Callable[["Witness"], bool]) -> None:
        """Wait until what was noted is enough."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not is_true(self):
                self._changed = anyio.Event()
                await self._changed.wait()

    async def until_closed(self) -> None:
        await self.until(lambda witness: witness.closed > 0)

    async def until_messages(self, count: int) -> list[Message]:
        await self.until(lambda witness: len(witness.messages) >= count)
        return self.messages

    async def _on_message(self, message: Message, sender: Sender) -> None:
        self.messages.append(message)
        self.senders.append(sender)
        self._changed.set()

    def _on_error(self, error: Exception) -> None:
        self.errors.append(error)
        self._changed.set()

    def _on_close(self) -> None:
        self.closed += 1
        self._changed.set()
