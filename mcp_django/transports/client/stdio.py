"""stdio, the client's half: starts a server as a child process.

Spec: 2026-07-28 basic/transports/stdio; 2025-11-25 basic/lifecycle, "Shutdown".
"""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import anyio
from anyio.abc import TaskGroup

from mcp_django.exceptions import ConnectFailed, TransportClosed
from mcp_django.transports.base import Sender
from mcp_django.transports.client.child_process import (
    ChildProcess,
    ReadEnd,
    StandardError,
    open_child,
)
from mcp_django.transports.lines import LineTransport

EncodingErrors: TypeAlias = Literal["strict", "replace", "ignore"]

MAX_STDERR_LINE = 64 * 1024
"""Most characters to hand to a `stderr` function at a time."""

if sys.platform == "win32":
    ENVIRONMENT = (
        "APPDATA",
        "HOMEDRIVE",
        "HOMEPATH",
        "LOCALAPPDATA",
        "PATH",
        "PATHEXT",
        "PROCESSOR_ARCHITECTURE",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "USERNAME",
        "USERPROFILE",
    )
else:
    ENVIRONMENT = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")


def default_environment() -> dict[str, str]:
    """Give the few variables that a server gets without being asked: no secrets.

    Of ours, those in `ENVIRONMENT`; none that holds a shell function, which some
    shells would run.
    """
    return {
        name: value
        for name in ENVIRONMENT
        if (value := os.environ.get(name)) is not None and not value.startswith("()")
    }


class StdioClientTransport(LineTransport):
    """The client's half: starts a server as a child process and talks with it.

    ::

        OPEN --close()---> stdin is closed --> SIGTERM --> SIGKILL --> CLOSED
        OPEN --it ends, or closes its stdout-----/

    It waits `exit_seconds` at each arrow for the server to end by itself, so that
    `close` takes three times as long at most. Signals go to its whole process group,
    and what it leaves there when it ends is ended too. Its last messages are still
    delivered when it goes by itself; `on_error` is told how it ended, before
    `on_close`.

    A `send` that waits, because the server does not read, can be cancelled. A line that
    has begun then is finished by the next one.

    Args:
        command: Program to start: a path, or a name to look up in `PATH`. There is no
            shell.
        args: Its arguments.
        env: Variables to add to `default_environment()`.
        cwd: Its working directory; None for ours.
        encoding_errors: What becomes of a line that is no UTF-8: "strict" reports it
            to `on_error`, the others read it as `bytes.decode` does.
        stderr: Where its standard error goes: None for our own; a function that is
            called with each line (longer ones in pieces); or a file, descriptor or
            `subprocess.DEVNULL`.
        exit_seconds: How long to wait for it to end before each harsher step.
        max_line_bytes: Longest line to take.

    Raises:
        ValueError: An argument is wrong.
    """

    binding = "stdio"

    mends_lines = True

    def __init__(
        self,
        command: str | os.PathLike[str],
        args: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        encoding_errors: EncodingErrors = "strict",
        stderr: StandardError | Callable[[str], None] = None,
        exit_seconds: float = 2.0,
        max_line_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        super().__init__(sender=Sender(), max_line_bytes=max_line_bytes)
        _check(args, env or {}, encoding_errors, stderr)
        self.answers_faults = False
        self._command = [os.fspath(command), *args]
        self._environment = {**default_environment(), **(env or {})}
        self._cwd = None if cwd is None else os.fspath(cwd)
        self._encoding_errors = encoding_errors
        self._stderr = stderr
        self._exit_seconds = exit_seconds
        self._child: ChildProcess | None = None
        self._is_started = False
        self._has_left = False
        self._must_end = anyio.Event()
        self._must_discard = anyio.Event()
        self._has_ended = anyio.Event()

    @property
    def exit_status(self) -> int | None:
        """How the server ended: its exit status, or minus the number of a signal.

        None as long as it runs.
        """
        return None if self._child is None else self._child.exit_status

    async def start(self, tasks: TaskGroup) -> None:
        """Start the server, and begin to read what it writes.

        Raises:
            ConnectFailed: It cannot be started.
            TransportClosed: The transport was closed before.
        """
        if self._is_closed:
            raise TransportClosed("cannot start: the transport is closed")
        self._is_started = True
        try:
            self._child = await open_child(
                self._command,
                env=self._environment,
                cwd=self._cwd,
                stderr=subprocess.PIPE if callable(self._stderr) else self._stderr,
            )
        except (OSError, ValueError) as error:
            raise ConnectFailed(
                f"cannot start {self._command[0]!r}: {self._explain_failure(error)}"
            ) from error
        finally:
            if self._child is None:
                self._has_ended.set()
        tasks.start_soon(self._supervise, self._child)
        await super().start(tasks)

    async def deliver(self, text: bytes, sender: Sender) -> None:
        """Take the messages of one line, which may have to be mended first."""
        if self._encoding_errors != "strict":
            text = text.decode(errors=self._encoding_errors).encode()
        await super().deliver(text, sender)

    async def _read(self) -> bytes:
        assert self._child is not None  # set before the reading task starts
        data = await self._child.stdout.receive()
        self._has_left |= not data and not self._is_closed
        return data

    async def _write(self, data: bytes) -> None:
        if self._child is None:
            raise TransportClosed("cannot send: the server process was not started")
        try:
            await self._child.stdin.send(data)
        except OSError:
            # What it wrote before is still to be delivered: the transport is closed
            # by the task that reads, at the end.
            self._has_left |= not self._is_closed
            self._must_end.set()
            text = await self._explain_closed()
            raise TransportClosed(f"cannot send: {text}") from None

    async def _release(self) -> None:
        self._must_end.set()
        self._must_discard.set()
        try:
            if self._is_started:
                await self._has_ended.wait()
        finally:
            if self._child is not None:
                self._child.stdout.close()
        if self._has_left:
            self.on_error(TransportClosed(self._explain_end()))

    async def _supervise(self, child: ChildProcess) -> None:
        """See the server to its end, whatever task is cancelled meanwhile."""
        with anyio.CancelScope(shield=True):
            try:
                async with anyio.create_task_group() as tasks:
                    if child.stderr is not None:
                        tasks.start_soon(self._pass_on_stderr, child.stderr)
                    await self._see_to_its_end(child)
                    child.finish()
            except BaseException:
                await child.abort(self._exit_seconds)
                raise
            finally:
                child.stdin.close()
                if child.stderr is not None:
                    child.stderr.close()
                self._has_ended.set()

    async def _see_to_its_end(self, child: ChildProcess) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, child)
            tasks.start_soon(self._discard_output, child)
            await self._must_end.wait()
            await child.end(self._exit_seconds)
            tasks.cancel_scope.cancel()

    async def _watch(self, child: ChildProcess) -> None:
        await child.watch()
        self._must_end.set()

    async def _discard_output(self, child: ChildProcess) -> None:
        """Read on once no other task does: a server that waits to write cannot end."""
        await self._must_discard.wait()
        while await child.stdout.receive():
            pass

    async def _pass_on_stderr(self, stderr: ReadEnd) -> None:
        lines = TextLines(MAX_STDERR_LINE)
        while data := await stderr.receive():
            self._hand_on(lines.feed(data))
        self._hand_on(lines.end())

    def _hand_on(self, lines: list[str]) -> None:
        assert callable(self._stderr)  # else standard error is not read
        for line in lines:
            try:
                self._stderr(line)
            except Exception as error:
                self.on_error(error)

    async def _explain_closed(self) -> str:
        if not self._has_left or self._child is None:
            return await super()._explain_closed()
        with anyio.move_on_after(self._exit_seconds):
            await self._child.has_exited.wait()
        return self._explain_end()

    def _explain_end(self) -> str:
        assert self._child is not None  # without one, nothing ends
        if self._child.was_stopped:
            return "the server process closed its pipes, and was stopped"
        status = self._child.exit_status
        if status is None:
            return "the server process closed its pipes"
        if status < 0:
            return f"the server process was ended by {_name_signal(-status)}"
        return f"the server process ended with exit status {status}"

    def _explain_failure(self, error: OSError | ValueError) -> str:
        """Say why no process came about, and what to do."""
        if not isinstance(error, OSError) or error.strerror is None:
            return str(error)
        if self._cwd is not None and error.filename == self._cwd:
            return f"{error.strerror}: {self._cwd!r}; pass another directory as cwd="
        remedy = ""
        match error.errno:
            case errno.ENOENT if self._is_found():
                remedy = "; its first line names an interpreter that is not installed"
            case errno.ENOENT:
                remedy = "; install it, or pass its full path"
            case errno.EACCES:
                remedy = "; make it executable, or start its interpreter instead"
            case errno.ENOEXEC:
                remedy = "; start its interpreter instead, with it as an argument"
        return f"{error.strerror}{remedy}"

    def _is_found(self) -> bool:
        path = self._environment.get("PATH")
        return shutil.which(self._command[0], path=path) is not None


class TextLines:
    """Cuts the bytes of a text into lines, whatever is in them.

    Args:
        max_characters: Longer lines come in pieces of this length.
    """

    def __init__(self, max_characters: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._max_characters = max_characters
        self._line = ""

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes, and give the lines they complete, without line ends."""
        return self._cut(self._decoder.decode(data))

    def end(self) -> list[str]:
        """Give the last line, if it has no line end."""
        lines = self._cut(self._decoder.decode(b"", final=True))
        last, self._line = self._line, ""
        return [*lines, last] if last else lines

    def _cut(self, text: str) -> list[str]:
        *whole, rest = (self._line + text).split("\n")
        size = self._max_characters
        lines = [
            line[start : start + size].removesuffix("\r")
            for line in whole
            for start in range(0, len(line) or 1, size)
        ]
        while len(rest) > size:
            lines.append(rest[:size])
            rest = rest[size:]
        self._line = rest
        return lines


def _check(
    args: Sequence[str],
    env: Mapping[str, str],
    encoding_errors: str,
    stderr: StandardError | Callable[[str], None],
) -> None:
    if isinstance(args, str) or not all(isinstance(arg, str) for arg in args):
        raise ValueError("args must be a list of strings, one for each argument")
    for name, value in env.items():
        if not isinstance(value, str):
            raise ValueError(f"env must have strings only, as {name!r} has not")
    if encoding_errors not in get_args(EncodingErrors):
        raise ValueError(
            f"encoding_errors must be one of {get_args(EncodingErrors)}, "
            f"not {encoding_errors!r}"
        )
    if stderr == subprocess.PIPE:
        raise ValueError("stderr must not be PIPE; pass a function, to read it")
    if stderr == subprocess.STDOUT:
        raise ValueError("stderr must not be STDOUT, which is for messages only")


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
