"""A trace that runs in one worker, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tracing.entries import this_worker
from mcp_django.tracing.files import line_of, now
from mcp_django.tracing.plan import Trace
from mcp_django.tracing.targets import Target

MAX_BYTES: Final = 64 * 1024 * 1024
"""What a trace writes in one worker, before it ends there."""

MAX_LINES: Final = 500
"""What it writes in a second; of what is more, how many lines that was."""


class RunningTrace:
    """Writes down what passes in one worker, until its time is over or it is stopped.

    ::

        RUNNING --end(), or it has written too much, or cannot write--> ENDED

    Args:
        trace: What is traced.
        target: Where the lines go; closed at the end.
        max_bytes: What it writes at most.
        max_lines: The same, in a second.
        clock: Gives the time in seconds; never goes back.
    """

    def __init__(
        self,
        trace: Trace,
        target: Target,
        *,
        max_bytes: int = MAX_BYTES,
        max_lines: int = MAX_LINES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trace = trace
        self._target = target
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._clock = clock
        self._second = 0
        self._in_second = 0
        self._lines = self._bytes = self._left_out = self._unsaid = 0
        whose = {"user": trace.user, "session": trace.session}
        self._say(begins=whose, seconds=round(trace.seconds_left, 1))

    @property
    def is_over(self) -> str:
        """Why nothing more can be written; "" while it can."""
        if self._target.has_failed:
            return "it cannot be written"
        if self._bytes >= self._max_bytes:
            return f"it has written {self._bytes} bytes, of at most {self._max_bytes}"
        return ""

    def write(self, entry: JSONObject) -> None:
        """Write down what passes, or count it, if too much does."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._in_second = second, 0
            self._say_what_is_left_out()
        if self._in_second >= self._max_lines:
            self._left_out += 1
            self._unsaid += 1
            return
        self._in_second += 1
        self._lines += 1
        self._write(line_of(entry))

    def end(self, reason: str) -> None:
        """Write down that it ends, and why."""
        self._say_what_is_left_out()
        self._say(ends=reason, lines=self._lines, left_out=self._left_out)
        self._target.close()

    def describe(self) -> JSONObject:
        """Say how it is, for operators."""
        return {
            "id": self.trace.id,
            "user": self.trace.user,
            "session": self.trace.session,
            "seconds_left": round(max(self.trace.seconds_left, 0.0), 1),
            "lines": self._lines,
            "left_out": self._left_out,
            "bytes": self._bytes,
            "file": self._target.file,
            "problem": self._target.problem,
        }

    def _say_what_is_left_out(self) -> None:
        if self._unsaid:
            left_out, self._unsaid = self._unsaid, 0
            self._say(left_out=left_out, why=f"more than {self._max_lines} a second")

    def _say(self, **what: object) -> None:
        entry = {"time": now(), "worker": this_worker(), "trace": self.trace.id}
        self._write(line_of({**entry, **what}))

    def _write(self, line: str) -> None:
        self._bytes += len(line) + 1
        self._target.write(line)
