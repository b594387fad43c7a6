"""Two ends in one process: what one sends, the other receives.

Messages go as bytes, so that what a wire could not carry fails here too, and neither
end gets objects that are the other's.
"""

from __future__ import annotations

import math

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mcp_django.exceptions import TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport


class MemoryTransport(Transport):
    """One end of a pair made by `memory_transports`."""

    binding = "memory"

    def __init__(
        self,
        incoming: MemoryObjectReceiveStream[bytes],
        outgoing: MemoryObjectSendStream[bytes],
        *,
        sender: Sender,
    ) -> None:
        super().__init__()
        self._incoming = incoming
        self._outgoing = outgoing
        self._sender = sender
        self._reading = anyio.CancelScope()
        self._writing: set[anyio.CancelScope] = set()
        self._is_closed = False

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to deliver what the other end sends."""
        tasks.start_soon(self._run)

    async def send(self, message: Message) -> None:
        """Hand a message to the other end; waits while its buffer is full."""
        await self._send_text(jsonrpc.serialize(message))

    async def send_answer(self, answer: bytes) -> None:
        """Hand an answer to the other end; waits while its buffer is full."""
        await self._send_text(answer)

    async def _send_text(self, text: bytes) -> None:
        if self._is_closed:
            raise TransportClosed("cannot send: the transport is closed")
        with anyio.CancelScope() as writing:
            self._writing.add(writing)
            try:
                await self._outgoing.send(text)
                return
            except anyio.BrokenResourceError:
                await self.close()
            finally:
                self._writing.discard(writing)
        raise TransportClosed("cannot send: the transport is closed")

    async def close(self) -> None:
        """Close this end; the other end closes once it has read what was sent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reading.cancel()
        for writing in self._writing:
            writing.cancel()
        self._outgoing.close()
        self._incoming.close()
        self.on_close()

    async def _run(self) -> None:
        try:
            with self._reading:
                async for text in self._incoming:
                    await self.deliver(text, self._sender)
        finally:
            await self.close()


def memory_transports(
    *, client: Sender | None = None, server: Sender | None = None, buffer: int = 16
) -> tuple[MemoryTransport, MemoryTransport]:
    """Make the two ends of a connection in memory.

    Args:
        client: What the server's end names as sender of what the client sends.
        server: What the client's end names as sender of what the server sends.
        buffer: Messages that may wait in each direction.

    Returns:
        The client's end and the server's end.
    """
    if not 0 <= buffer < math.inf:
        raise ValueError(f"buffer must be a bounded number of messages, not {buffer!r}")
    to_server, at_server = anyio.create_memory_object_stream[bytes](buffer)
    to_client, at_client = anyio.create_memory_object_stream[bytes](buffer)
    return (
        MemoryTransport(at_client, to_server, sender=server or Sender()),
        MemoryTransport(at_server, to_client, sender=client or Sender()),
    )
