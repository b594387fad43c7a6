"""Where the lines of a trace go: the log, a file, or a program that follows it."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
from abc import ABC, abstractmethod
from typing import Final

from mcp_django.conf import mcp_settings
from mcp_django.tracing.entries import this_worker
from mcp_django.tracing.files import TraceFile
from mcp_django.tracing.plan import FILE, LOG, Trace
from mcp_django.worker.relay import Relay

logger = logging.getLogger("mcp_django.tracing")

LINES: Final = "mcp.traced"
"""The type of what a program that follows a trace is sent."""

_FLUSH_SECONDS: Final = 0.2
_FLUSH_BYTES: Final = 64 * 1024


class Target(ABC):
    """Takes the lines of a trace in one worker."""

    file: str | None = None
    """The file that has them, if one has."""

    problem: str = ""
    """Why nothing will be seen of them, as far as that is known."""

    @property
    def has_failed(self) -> bool:
        """Whether it takes no more."""
        return False

    @abstractmethod
    def write(self, line: str) -> None:
        """Take a line."""

    @abstractmethod
    def close(self) -> None:
        """Take no more."""


def target_of(trace: Trace, relay: Relay) -> Target:
    """Make what takes the lines of a trace in this worker.

    Raises:
        OSError: Its file cannot be made.
    """
    if trace.to == LOG:
        return _Log()
    return _File(trace) if trace.to == FILE else _Follower(trace, relay)


class _Log(Target):
    def __init__(self) -> None:
        if not (logger.isEnabledFor(logging.INFO) and logger.hasHandlers()):
            self.problem = (
                f"the log shows nothing of it: LOGGING must send {logger.name!r} "
                "somewhere from INFO on; or pass --follow or --file"
            )

    def write(self, line: str) -> None:
        logger.info("%s", line)

    def close(self) -> None:
        pass


class _File(Target):
    def __init__(self, trace: Trace) -> None:
        folder = mcp_settings.TRACE_DIR
        if folder is None:
            raise OSError(0, "this worker has no MCP['TRACE_DIR']")
        worker = re.sub(r"[^\w.-]", "-", this_worker(), flags=re.ASCII)
        name = f"mcp-trace-{trace.id}-{worker}-{secrets.token_hex(2)}.jsonl"
        self._file = TraceFile(os.path.join(folder, name), is_new=True)
        self.file = self._file.path

    @property
    def has_failed(self) -> bool:
        return self._file.is_closed

    def write(self, line: str) -> None:
        self._file.write_line(line)

    def close(self) -> None:
        self._file.close()


class _Follower(Target):
    """Sends what comes within a moment in one message."""

    def __init__(self, trace: Trace, relay: Relay) -> None:
        self._id = secrets.token_hex(4)
        self._channel = trace.to
        self._relay = relay
        self._lines: list[str] = []
        self._bytes = 0
        self._sent = 0
        self._flush_soon: asyncio.TimerHandle | None = None

    def write(self, line: str) -> None:
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= _FLUSH_BYTES:
            self.close()
        elif self._flush_soon is None:
            loop = asyncio.get_running_loop()
            self._flush_soon = loop.call_later(_FLUSH_SECONDS, self.close)

    def close(self) -> None:
        """Send what has come; more may follow."""
        if self._flush_soon is not None:
            self._flush_soon.cancel()
            self._flush_soon = None
        if not self._lines:
            return
        message = {
            "type": LINES,
            "worker": this_worker(),
            "by": self._id,
            "sent": self._sent,
            "lines": self._lines,
        }
        self._sent += len(self._lines)
        self._lines, self._bytes = [], 0
        self._relay.send_soon(self._channel, message)
