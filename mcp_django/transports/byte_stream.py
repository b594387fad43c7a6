"""Messages as lines of UTF-8 JSON over any stream of bytes, such as a socket."""

from __future__ import annotations

import contextlib

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream

from mcp_django.transports.base import Sender
from mcp_django.transports.lines import CHUNK_BYTES, LineTransport

_GOODBYE_SECONDS = 1.0
_LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class ByteStreamTransport(LineTransport):
    """Either half: reads and writes one anyio byte stream.

    Args:
        stream: Such as a Unix socket or a TCP connection; closed with the transport.
        sender: The one to name with every message.
        max_line_bytes: Longest line to take.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        sender: Sender | None = None,
        max_line_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        super().__init__(sender=sender or Sender(), max_line_bytes=max_line_bytes)
        self._stream = stream

    async def _read(self) -> bytes:
        try:
            return await self._stream.receive(CHUNK_BYTES)
        except anyio.EndOfStream:
            return b""
        except _LOST as error:
            raise ConnectionError("the peer is gone") from error

    async def _write(self, data: bytes) -> None:
        try:
            await self._stream.send(data)
        except _LOST as error:
            raise ConnectionError("the peer is gone") from error

    async def _release(self) -> None:
        # Tasks that read or write leave first: sockets are not closed under them.
        await anyio.lowlevel.cancel_shielded_checkpoint()
        # TLS says goodbye, for which a peer that does not read is not waited.
        with anyio.move_on_after(_GOODBYE_SECONDS), contextlib.suppress(*_LOST):
            await self._stream.aclose()
