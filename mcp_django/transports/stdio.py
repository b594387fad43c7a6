"""stdio: messages as lines of UTF-8 JSON over a pair of file descriptors.

Spec: 2025-11-25 basic/transports, "stdio".
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from mcp_django.exceptions import ParseError, RemoteProtocolError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport

_claimed_stdout: int | None = None

_CHUNK_BYTES = 64 * 1024
_WRITE_BYTES = 4096
"""What a pipe that is ready takes for certain without waiting (POSIX PIPE_BUF)."""


def claim_stdout() -> int:
    """Take standard output for messages, so that nothing else can write to it.

    The file descriptor 1 points to standard error from now on, so that what tools,
    libraries and their children print goes there. Further calls change nothing.

    Returns:
        The file descriptor that messages have to be written to.
    """
    global _claimed_stdout
    if _claimed_stdout is None:
        sys.stdout.flush()
        _claimed_stdout = os.dup(1)
        os.dup2(2, 1)
    return _claimed_stdout


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
            `ParseError` for each line that was too long and is lost.
        """
        lines: list[bytes | ParseError] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end], lines)
            start = end + 1
            if line := bytes(self._line.strip()):
                lines.append(line)
            self._line.clear()
            self._is_skipping = False
        self._keep(data[start:], lines)
        return lines

    def _keep(self, piece: bytes, lines: list[bytes | ParseError]) -> None:
        if self._is_skipping:
            return
        if len(self._line) + len(piece) <= self._max_line_bytes:
            self._line += piece
            return
        self._is_skipping = True
        self._line.clear()
        lines.append(ParseError(f"a line is longer than {self._max_line_bytes} bytes"))


class StdioServerTransport(Transport):
    """The server's half: reads one file descriptor and writes another.

    Bytes that are no message are answered with a JSON-RPC error, whose id is null if
    none can be read, go to `on_error`, and do not end the transport. The end of the
    input closes it.

    Args:
        stdin: File descriptor to read, which stays open.
        stdout: File descriptor to write, which stays open.
        sender: Whom to name as sender of every message.
        on_end: Awaited at the end of the input, before the transport closes; handlers
            may finish there, and their answers are still written.
        max_line_bytes: Longest line to take.
    """

    def __init__(
        self,
        *,
        stdin: int,
        stdout: int,
        sender: Sender,
        max_line_bytes: int,
        on_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self._stdin = stdin
        self._stdout = stdout
        self._sender = sender
        self._on_end = on_end
        self._decoder = LineDecoder(max_line_bytes)
        self._write_lock = anyio.Lock()
        self._reading = anyio.CancelScope()
        self._writing = anyio.CancelScope(shield=True)
        self._is_closed = False

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to read lines."""
        tasks.start_soon(self._run)

    async def send(self, message: Message) -> None:
        """Write one message as a line; waits while the peer does not read."""
        line = jsonrpc.serialize(message) + b"\n"
        async with self._write_lock:
            if self._is_closed:
                raise TransportClosed("cannot send: the transport is closed")
            # A line cut short would spoil the next one too, so that only the end
            # of the transport interrupts it, not the end of whoever sends.
            with self._writing:
                await self._write(line)
            if self._is_closed:
                raise TransportClosed("cannot send: the transport is closed")
            self._writing = anyio.CancelScope(shield=True)

    async def close(self) -> None:
        """Stop reading and writing; the file descriptors stay open."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reading.cancel()
        self._writing.cancel()
        self.on_close()

    async def _run(self) -> None:
        with self._reading:
            try:
                while data := await self._read():
                    for line in self._decoder.feed(data):
                        await self._receive(line)
                if self._on_end is not None:
                    await self._on_end()
            except OSError as error:
                self.on_error(error)
        with anyio.CancelScope(shield=True):
            await self.close()

    async def _receive(self, line: bytes | ParseError) -> None:
        try:
            if isinstance(line, ParseError):
                raise line
            messages = self.admit(jsonrpc.parse(line))
            # The messages of a batch share its bytes, as far as room goes.
            sender = replace(self._sender, size=len(line) // len(messages))
            for message in messages:
                await self.on_message(message, sender)
        except RemoteProtocolError as error:
            self.on_error(error)
            await self._send_error(error)
        except Exception as error:
            self.on_error(error)

    async def _send_error(self, error: RemoteProtocolError) -> None:
        with contextlib.suppress(TransportClosed):
            await self.send(
                jsonrpc.error(error.request_id, error.code, error.message, error.data)
            )

    async def _read(self) -> bytes:
        while await _wait(anyio.wait_readable, self._stdin):
            # Others may have the descriptor too, and have made it non-blocking.
            with contextlib.suppress(BlockingIOError):
                return os.read(self._stdin, _CHUNK_BYTES)
        return await anyio.to_thread.run_sync(
            os.read, self._stdin, _CHUNK_BYTES, abandon_on_cancel=True
        )

    async def _write(self, line: bytes) -> None:
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[await self._write_some(rest) :]
        except OSError as error:
            await self.close()
            raise TransportClosed(f"cannot send: {error}") from None

    async def _write_some(self, rest: memoryview) -> int:
        while await _wait(anyio.wait_writable, self._stdout):
            with contextlib.suppress(BlockingIOError):
                return os.write(self._stdout, rest[:_WRITE_BYTES])
        return await anyio.to_thread.run_sync(os.write, self._stdout, rest)


async def _wait(wait: Callable[[int], Awaitable[None]], descriptor: int) -> bool:
    """Wait until a descriptor is ready; False if it cannot be waited for.

    Regular files, and pipes on Windows, cannot: they are read in a thread.
    """
    try:
        await wait(descriptor)
    except (OSError, ValueError, NotImplementedError):
        return False
    return True
