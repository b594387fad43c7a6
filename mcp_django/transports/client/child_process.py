"""A program started as a child process: our ends of its pipes, and its end.

Spec: 2026-07-28 basic/transports/stdio, "Shutdown".
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import anyio
from anyio.abc import Process

from mcp_django.transports.lines import CHUNK_BYTES

StandardError: TypeAlias = int | IO[Any] | None

_CAN_WAIT = os.name == "posix"
"""Whether pipes can be waited for; elsewhere threads read and write them."""

_LAST_BYTES = 1024 * 1024
"""More than a pipe holds: what a program that has ended can have left there."""

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_POLL_SECONDS = (0.01, 0.1)


class ReadEnd:
    """Our end of a pipe that a child process writes to.

    Args:
        descriptor: Of the pipe; `close` closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._lock = anyio.Lock()
        self._waiting: anyio.CancelScope | None = None
        self._rest: int | None = None
        if _CAN_WAIT:
            os.set_blocking(descriptor, False)

    async def receive(self) -> bytes:
        """Wait for some bytes; none at the end, or once it is closed."""
        async with self._lock:
            while self._rest is None:
                with anyio.CancelScope() as self._waiting:
                    if (data := await self._read()) is not None:
                        return data
            return self._read_rest()

    def finish(self) -> None:
        """Wait for nothing any more: the end is after what is in the pipe already.

        A program that ended may have left others, which hold the pipe open for ever.
        """
        if self._rest is None:
            self._rest = _LAST_BYTES
            if self._waiting is not None:
                self._waiting.cancel()

    def close(self) -> None:
        """Close the pipe; more calls do nothing."""
        descriptor, self._descriptor = self._descriptor, None
        _close(descriptor)

    async def _read(self) -> bytes | None:
        """Read some bytes; None if there were none to read after all."""
        if self._descriptor is None:
            return b""
        if not _CAN_WAIT:
            return await anyio.to_thread.run_sync(
                os.read, self._descriptor, CHUNK_BYTES, abandon_on_cancel=True
            )
        with contextlib.suppress(anyio.ClosedResourceError):
            await anyio.wait_readable(self._descriptor)
        return self._read_at_once(CHUNK_BYTES)

    def _read_rest(self) -> bytes:
        rest = self._rest or 0
        data = self._read_at_once(min(rest, CHUNK_BYTES)) if _CAN_WAIT else None
        self._rest = rest - len(data or b"")
        return data or b""

    def _read_at_once(self, count: int) -> bytes | None:
        if self._descriptor is None:
            return b""
        try:
            return os.read(self._descriptor, count)
        except BlockingIOError:
            return None


class WriteEnd:
    """Our end of a pipe that a child process reads from.

    Args:
        descriptor: Of the pipe; `close` closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._rest = memoryview(b"")
        if _CAN_WAIT:
            os.set_blocking(descriptor, False)

    async def send(self, data: bytes) -> None:
        """Write all of the bytes; waits for the reader. One task at a time.

        If it is cancelled, either nothing was written, or what is left of `data` is
        written by the next call, before its own.

        Raises:
            BrokenPipeError: The process reads no more, or the pipe is closed.
        """
        await self._write_rest()
        count = await self._write(memoryview(data))
        self._rest = memoryview(data)[count:]
        await self._write_rest()

    def close(self) -> None:
        """Close the pipe, also while a task writes to it; more calls do nothing."""
        descriptor, self._descriptor = self._descriptor, None
        _close(descriptor)

    async def _write_rest(self) -> None:
        while self._rest:
            self._rest = self._rest[await self._write(self._rest) :]

    async def _write(self, data: memoryview) -> int:
        if not _CAN_WAIT:
            return await anyio.to_thread.run_sync(os.write, self._open(), data)
        try:
            return os.write(self._open(), data)
        except BlockingIOError:
            with contextlib.suppress(anyio.ClosedResourceError):
                await anyio.wait_writable(self._open())
            return 0

    def _open(self) -> int:
        if self._descriptor is None:
            raise BrokenPipeError(errno.EPIPE, "the pipe is closed")
        return self._descriptor


class ChildProcess:
    """A program in a process group of its own; `open_child` starts it.

    What it starts is in its group too, unless it leaves it (`setsid`, as daemons do).
    On Windows, only the program itself is ended.

    Attributes:
        stdin: Where we write.
        stdout: Where we read.
        stderr: Where we read; None unless it was asked for.
        exit_status: None before it has ended; minus the signal's number if one ended
            it.
        has_exited: Set at that moment, by `watch`.
        was_stopped: Whether it had to be stopped by a signal of ours.
    """

    def __init__(
        self, process: Process, stdin: WriteEnd, stdout: ReadEnd, stderr: ReadEnd | None
    ) -> None:
        self._process = process
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.exit_status: int | None = None
        self.has_exited = anyio.Event()
        self.was_stopped = False

    async def watch(self) -> None:
        """Wait until the program has ended."""
        self.exit_status = await self._process.wait()
        self.has_exited.set()

    async def end(self, seconds: float) -> None:
        """Close its input, and end what does not end by itself; `watch` runs meanwhile.

        Args:
            seconds: How long to wait after each of the three steps.
        """
        self.stdin.close()
        with anyio.move_on_after(seconds):
            await self.has_exited.wait()
        for number in (signal.SIGTERM, _KILL):
            if not self._signal(number):
                return
            self.was_stopped |= not self.has_exited.is_set()
            with anyio.move_on_after(seconds):
                await self._until_all_are_gone()
                return

    async def abort(self, seconds: float) -> None:
        """Kill it with its group at once, and wait `seconds` at most for its end."""
        self._signal(_KILL)
        with anyio.CancelScope(shield=True), anyio.move_on_after(seconds):
            await self.watch()

    def finish(self) -> None:
        """Read only what is in the pipes already."""
        self.stdout.finish()
        if self.stderr is not None:
            self.stderr.finish()

    async def _until_all_are_gone(self) -> None:
        await self.has_exited.wait()
        pause, longest = _POLL_SECONDS
        # The system tells a process of the end of its own children only.
        while self._signal(0) and await anyio.to_thread.run_sync(self._is_left):
            await anyio.sleep(pause)
            pause = min(pause * 2, longest)
        self._reap_orphans()

    def _is_left(self) -> bool:
        """Say whether some of the group is alive, and not only waits to be reaped.

        The first process of a container may take its time for that.
        """
        states = list(_read_states(self._process.pid))
        return not states or any(state not in "ZX" for state in states)

    def _signal(self, number: int) -> bool:
        """Send a signal to all of the group, 0 to none; False if no process is left."""
        if sys.platform == "win32":
            if not self.has_exited.is_set() and number:
                self._process.terminate()
            return not self.has_exited.is_set()
        self._reap_orphans()
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _reap_orphans(self) -> None:
        """Reap what the program left, where it is now our child.

        As it is when we are the first process of a container.
        """
        if sys.platform == "win32" or not self.has_exited.is_set():
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self._process.pid, os.WNOHANG) != (0, 0):
                pass


async def open_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None,
    stderr: StandardError,
) -> ChildProcess:
    """Start a program; not interrupted by cancellation, so that none gets lost.

    Args:
        command: The program and its arguments.
        env: All of its environment.
        cwd: Its working directory; None for ours.
        stderr: As for `subprocess.Popen`; `subprocess.PIPE` to read it.

    Raises:
        OSError: It cannot be started.
        ValueError: A zero byte is in one of the strings.
    """
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        stdin, our_stdin = _open_pipe(read=theirs, write=ours)
        our_stdout, stdout = _open_pipe(read=ours, write=theirs)
        our_stderr = None
        if stderr == subprocess.PIPE:
            our_stderr, stderr = _open_pipe(read=ours, write=theirs)
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        ours.pop_all()
    return ChildProcess(
        process,
        WriteEnd(our_stdin),
        ReadEnd(our_stdout),
        None if our_stderr is None else ReadEnd(our_stderr),
    )


def _open_pipe(
    *, read: contextlib.ExitStack, write: contextlib.ExitStack
) -> tuple[int, int]:
    """Open a pipe whose ends are closed with the two stacks."""
    ends = os.pipe()
    for stack, end in zip((read, write), ends, strict=True):
        stack.callback(os.close, end)
    return ends


def _read_states(group: int) -> Iterator[str]:
    """Give the state of each process of a group, as in `ps`; only Linux tells."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program stands in brackets, and may hold anything.
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield fields[0]


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        if _CAN_WAIT:
            anyio.notify_closing(descriptor)
        os.close(descriptor)
