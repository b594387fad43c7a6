"""What commands show to a person at a terminal: plain text, tables, and progress.

A command of any app may use it; it needs nothing of MCP.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

T = TypeVar("T")

_BAR_WIDTH: Final = 24
_SECONDS_BEFORE: Final = 0.5
_SECONDS_BETWEEN: Final = 0.1


class Stream(Protocol):
    """Where a command writes for people: its `self.stderr`."""

    def isatty(self) -> bool:
        """Say whether a person sees it."""

    def write(
        self,
        msg: str = "",
        style_func: Callable[[str], str] | None = None,
        ending: str | None = None,
    ) -> None:
        """Write a text."""

    def flush(self) -> None:
        """Have it shown."""


def printable(text: str) -> str:
    """Replace what could make a terminal do something else than show text."""
    return "".join(c if c.isprintable() else "?" for c in text)


def printable_lines(text: str) -> str:
    """Do the same, and keep lines and tabulators."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Write rows, which have as many cells each, as lines in which cells stand below
    each other."""
    cells = [list(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


class ProgressLine:
    """One line that shows how far something is, drawn anew with each report.

    Nothing is written where no person looks.

    Args:
        stream: Of a command, its standard error.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_seen = stream.isatty()
        self._shown = 0

    def show(self, progress: float, total: float | None, message: str | None) -> None:
        """Draw the line, in place of the last one.

        Args:
            progress: How far it is.
            total: How far it goes; None if that is not known.
            message: What happens.
        """
        self.say(_describe(progress, total, message))

    def say(self, text: str) -> None:
        """Draw a text, where it is not known how far something is."""
        columns = shutil.get_terminal_size().columns - 1
        line = printable(text)[:columns]
        self._write("\r" + line.ljust(self._shown))
        self._shown = len(line)

    def clear(self) -> None:
        """Make room for something else."""
        if self._shown:
            self._write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        if self._is_seen:
            self._stream.write(text, style_func=str, ending="")
            self._stream.flush()


def track(
    items: Iterable[T],
    stream: Stream,
    *,
    total: int | None = None,
    message: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """Iterate, and show how far that is, once it has taken a moment.

    The line is gone at the end, also where that is an exception.

    Args:
        items: What to iterate over.
        stream: Of a command, its standard error.
        total: How many items there are; None if that is not known.
        message: What is done with them.
        clock: Gives the time in seconds.
    """
    line = ProgressLine(stream)
    due = clock() + _SECONDS_BEFORE
    try:
        for count, item in enumerate(items):
            if clock() >= due:
                line.show(count, total, message)
                due = clock() + _SECONDS_BETWEEN
            yield item
    finally:
        line.clear()


def _describe(progress: float, total: float | None, message: str | None) -> str:
    if total is not None and total > 0:
        share = min(max(progress / total, 0), 1)
        done = round(share * _BAR_WIDTH)
        bar = f"[{'#' * done}{' ' * (_BAR_WIDTH - done)}]"
        parts = [f"{bar} {share:4.0%} {progress:g}/{total:g}"]
    else:
        parts = [f"{progress:g}"]
    return "  ".join([*parts, *([message] if message else [])])
