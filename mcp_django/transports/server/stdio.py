"""stdio: messages as lines of UTF-8 JSON over a pair of file descriptors.

Spec: 2025-11-25 basic/transports, "stdio".
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import anyio

from mcp_django.transports.base import Sender
from mcp_django.transports.lines import CHUNK_BYTES, LineTransport
from mcp_django.transports.streams import ReadStream, WriteStream, open_streams

_claimed_stdout: int | None = None

_WRITE_BYTES = 4096
"""What a pipe that is ready takes for certain without waiting (POSIX PIPE_BUF)."""


def claim_stdout() -> int:
    """Take standard output for messages, so that nothing else can write to it.

    The file descriptor 1 points to standard error from now on, so that what tools,
    libraries and their children print goes there line by line, and what was printed
    before and is still in a buffer. Further calls change nothing.

    Returns:
        The file descriptor that messages have to be written to.
    """
    global _claimed_stdout
    if _claimed_stdout is None:
        _claimed_stdout = os.dup(1)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.__stdout__):
            # None, closed, or of another kind, put there by the program.
            with contextlib.suppress(AttributeError, ValueError):
                stream.flush()  # type: ignore[union-attr]
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return _claimed_stdout


class StdioServerTransport(LineTransport):
    """The server's half: reads one file descriptor and writes another.

    Args:
        stdin: File descriptor to read, which stays open.
        stdout: File descriptor to write, which stays open.
        sender: The one to name with every message.
        max_line_bytes: Longest line to take.
    """

    binding = "stdio"

    def __init__(
        self, *, stdin: int, stdout: int, sender: Sender, max_line_bytes: int
    ) -> None:
        super().__init__(sender=sender, max_line_bytes=max_line_bytes)
        self._stdin = stdin
        self._stdout = stdout
        self._is_writable = _readiness(stdout)

    async def _read(self) -> bytes:
        while await _wait(anyio.wait_readable, self._stdin):
            # Others may have the descriptor too, and have made it non-blocking.
            with contextlib.suppress(BlockingIOError):
                return os.read(self._stdin, CHUNK_BYTES)
        return await anyio.to_thread.run_sync(
            os.read, self._stdin, CHUNK_BYTES, abandon_on_cancel=True
        )

    def _write_at_once(self, line: bytes) -> int:
        if len(line) > _WRITE_BYTES or not self._is_writable():
            return 0
        try:
            return os.write(self._stdout, line)
        except OSError:  # the next attempt says so
            return 0

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[await self._write_some(rest) :]

    async def _write_some(self, rest: memoryview) -> int:
        while await _wait(anyio.wait_writable, self._stdout):
            with contextlib.suppress(BlockingIOError):
                return os.write(self._stdout, rest[:_WRITE_BYTES])
        return await anyio.to_thread.run_sync(os.write, self._stdout, rest)


def stdio_server(
    *,
    stdin: int = 0,
    stdout: int | None = None,
    max_line_bytes: int = 16 * 1024 * 1024,
) -> AbstractAsyncContextManager[tuple[ReadStream, WriteStream]]:
    """Give standard input and output as a pair of streams, for an `async with` block.

    ::

        async with stdio_server() as (read, write):
            await server.run(read, write)

    The official SDK's servers run over the pair too, with a `wrap` of `open_streams`.

    Args:
        stdin: File descriptor to read messages from.
        stdout: File descriptor to write messages to; if left out, standard output,
            which nothing else can write to from then on: see `claim_stdout`.
        max_line_bytes: Longest line to take.
    """
    return open_streams(
        StdioServerTransport(
            stdin=stdin,
            stdout=claim_stdout() if stdout is None else stdout,
            sender=Sender(),
            max_line_bytes=max_line_bytes,
        )
    )


def _readiness(descriptor: int) -> Callable[[], bool]:
    """Give what says whether a descriptor can be written to without waiting."""
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
    except (AttributeError, OSError, ValueError):  # Windows has none
        return lambda: False
    return lambda: bool(poll.poll(0))


async def _wait(wait: Callable[[int], Awaitable[None]], descriptor: int) -> bool:
    """Wait until a descriptor is ready; False if it cannot be waited for.

    Regular files, and pipes on Windows, cannot: they are read in a thread.
    """
    try:
        await wait(descriptor)
    except (OSError, ValueError, NotImplementedError):
        return False
    return True
