"""Messages as lines of UTF-8 JSON: what every stream of bytes has in common.

Spec: 2025-11-25 basic/transports, "stdio".
"""

from __future__ import annotations

import codecs
from abc import abstractmethod

import anyio
from anyio.abc import TaskGroup

from mcp_django.exceptions import MessageLost, ParseError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.tap import tap

CHUNK_BYTES = 64 * 1024
"""Most bytes to read at a time."""


class LineDecoder:
    """Cuts bytes into lines, however they arrive; keeps at most `max_line_bytes`."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._line = bytearray()
        self._is_skipping = False

    def feed(self, data: bytes) -> list[bytes | ParseError]:
        """Take the next bytes.

        Returns:
            The lines they complete, without line ends and never blank, and a
            `MessageLost` for each line that was too long.
        """
        lines: list[bytes | ParseError] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end], lines)
            start = end + 1
            lines += self.finish()
        self._keep(data[start:], lines)
        return lines

    def finish(self) -> list[bytes | ParseError]:
        """Take the end of a line, or of all bytes: their last line may have no end.

        Returns:
            The line, unless it is blank or was too long.
        """
        line = bytes(self._line.strip())
        self._line.clear()
        self._is_skipping = False
        return [line] if line and line != codecs.BOM_UTF8 else []

    def _keep(self, piece: bytes, lines: list[bytes | ParseError]) -> None:
        if self._is_skipping:
            return
        if len(self._line) + len(piece) <= self._max_line_bytes:
            self._line += piece
            return
        self._is_skipping = True
        self._line.clear()
        lines.append(MessageLost(f"a line is longer than {self._max_line_bytes} bytes"))


class LineTransport(Transport):
    """Carries each message as one line, over whatever reads and writes bytes.

    Bytes that are no message are answered with a JSON-RPC error, whose id is null if
    none can be read, go to `on_error`, and do not end the transport. The end of what
    the peer sends closes it, after `on_end`.

    Args:
        sender: The one to name with every message.
        max_line_bytes: Longest line to take.

    Attributes:
        mends_lines: Whether `_write`, if cancelled, keeps the rest of what it has
            begun and writes it first next time. Unless it does, only the end of the
            transport interrupts a line, not the end of a task that sends: a line cut
            short would spoil the next one too.
    """

    mends_lines = False

    def __init__(self, *, sender: Sender, max_line_bytes: int) -> None:
        super().__init__()
        self._sender = sender
        self._decoder = LineDecoder(max_line_bytes)
        self._write_lock = anyio.Lock()
        self._reading: anyio.CancelScope | None = None
        self._writing: anyio.CancelScope | None = None
        self._is_closed = False
        self._has_closed = anyio.Event()

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to read lines."""
        tasks.start_soon(self._run)

    async def send(self, message: Message) -> None:
        """Write one message as a line; waits while the peer does not read."""
        await self._send_line(jsonrpc.serialize(message))

    async def send_answer(self, answer: bytes) -> None:
        """Write an answer as a line; waits while the peer does not read."""
        await self._send_line(answer)

    async def _send_line(self, text: bytes) -> None:
        if tap.watches:
            tap.show("sent", text, self)
        line = text + b"\n"
        written = 0
        # On the hot path: mostly nothing is being written, and the peer reads.
        if not (self._is_closed or self._write_lock.locked()):
            written = self._write_at_once(line)
        if written < len(line):
            # Once begun it is ended, unless the transport ends.
            with anyio.CancelScope(shield=written > 0):
                await self._write_in_turn(line[written:])

    async def _write_in_turn(self, line: bytes) -> None:
        async with self._write_lock:
            await self._check_open()
            try:
                with anyio.CancelScope(shield=not self.mends_lines) as self._writing:
                    await self._write_line(line)
            finally:
                self._writing = None
            await self._check_open()

    async def close(self) -> None:
        """Stop reading and writing; more calls only wait for the first."""
        with anyio.CancelScope(shield=True):
            if self._is_closed:
                await self._has_closed.wait()
                return
            self._is_closed = True
            for scope in (self._reading, self._writing):
                if scope is not None:
                    scope.cancel()
            try:
                await self._release()
            finally:
                self._has_closed.set()
                self.on_close()

    @abstractmethod
    async def _read(self) -> bytes:
        """Read some bytes; none at the end of what the peer sends.

        Raises:
            OSError: The peer is gone.
        """

    def _write_at_once(self, line: bytes) -> int:
        """Write what can be written without waiting; nothing unless overridden.

        Returns:
            How many bytes were written.
        """
        return 0

    @abstractmethod
    async def _write(self, data: bytes) -> None:
        """Write all of the bytes; waits while the peer does not read.

        Raises:
            OSError: The peer is gone.
        """

    async def _release(self) -> None:
        """Release what the transport holds; nothing unless overridden."""

    async def _explain_closed(self) -> str:
        """Say why nothing can be sent; may wait a little to know it."""
        return "the transport is closed"

    async def _check_open(self) -> None:
        if self._is_closed:
            raise TransportClosed(f"cannot send: {await self._explain_closed()}")

    async def _write_line(self, line: bytes) -> None:
        try:
            await self._write(line)
        except OSError as error:
            await self.close()
            raise TransportClosed(f"cannot send: {error}") from None

    async def _run(self) -> None:
        try:
            if not self._is_closed:
                with anyio.CancelScope() as self._reading:
                    await self._read_lines()
        finally:
            await self.close()

    async def _read_lines(self) -> None:
        try:
            while data := await self._read():
                await self._take(self._decoder.feed(data))
            await self._take(self._decoder.finish())
            await self.on_end()
        except OSError as error:
            if not self._is_closed:
                self.on_error(error)

    async def _take(self, lines: list[bytes | ParseError]) -> None:
        for line in lines:
            if isinstance(line, ParseError):
                await self.refuse(line)
                continue
            if tap.watches:
                tap.show("received", line, self)
            await self.deliver(line, self._sender)
