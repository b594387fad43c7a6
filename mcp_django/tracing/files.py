"""A trace in a file: one line of JSON a message."""

from __future__ import annotations

import json
import logging
import os
import stat
from datetime import UTC, datetime
from typing import Final

from mcp_django.tracing.masking import masked
from mcp_django.transports.tap import Direction

logger = logging.getLogger("mcp_django.tracing")

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

    Raises:
        OSError: It cannot be written, or is no regular file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = os.open(path, _FLAGS, _MODE)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise OSError(0, "it is no regular file")

    def write(self, direction: Direction, data: bytes) -> None:
        """Write what may be shown of a message; nothing once the trace has ended."""
        if self._file < 0:
            return
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "direction": direction,
            "bytes": len(data),
            "message": masked(data),
        }
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            os.write(self._file, line)
        except OSError as error:
            logger.error(
                "the trace ends, because %r cannot be written: %s",
                self._path,
                error.strerror,
            )
            self.close()

    def close(self) -> None:
        """End the trace."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
