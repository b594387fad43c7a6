"""A trace in a file: one line of JSON a message."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tracing.masking import masked
from mcp_django.transports.tap import Direction

logger = FaultLog("mcp_django.tracing")

# Where the system has it, opening a pipe that nothing reads fails, and does not hang.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
_MODE: Final = 0o600


class TraceFile:
    """Writes masked messages to the end of a file that only its owner can read.

    Each line is written at once, so that it is there however the process ends, and
    whole, so that several processes may share the file. When a line cannot be written
    the log says so once, and the trace ends.

    Args:
        path: The file; made if there is none.
        is_new: Whether it must not be there yet.

    Raises:
        OSError: It cannot be written, or is no regular file, or is there already.
    """

    def __init__(self, path: str, *, is_new: bool = False) -> None:
        self.path = path
        self._file = os.open(path, _FLAGS | (os.O_EXCL if is_new else 0), _MODE)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise OSError(0, "it is no regular file")

    @property
    def is_closed(self) -> bool:
        """Whether the trace has ended."""
        return self._file < 0

    def write(self, direction: Direction, data: bytes) -> None:
        """Write what may be shown of a message; nothing once the trace has ended."""
        if not self.is_closed:
            entry = {"time": now(), "direction": direction, "bytes": len(data)}
            self.write_line(line_of({**entry, "message": masked(data)}))

    def write_line(self, line: str) -> None:
        """Write a line; nothing once the trace has ended."""
        if self.is_closed:
            return
        try:
            os.write(self._file, line.encode() + b"\n")
        except OSError as error:
            logger.error(
                "the trace ends, because %r cannot be written: %s",
                self.path,
                error.strerror,
                of=self.path,
            )
            self.close()

    def close(self) -> None:
        """End the trace."""
        file, self._file = self._file, -1
        if file >= 0:
            with suppress(OSError):  # such as a network's file system that is away
                os.close(file)


def now() -> str:
    """Give the time as lines of a trace have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def line_of(entry: JSONObject) -> str:
    """Write an entry as one line, whatever it says."""
    return json.dumps(entry, separators=(",", ":"))
