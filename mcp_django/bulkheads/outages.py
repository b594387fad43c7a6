"""What is logged of a service that fails: little, however many requests meet it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from mcp_django.bulkheads.fault_lines import SECONDS_BETWEEN_LINES
from mcp_django.bulkheads.fault_log import FaultLog

_AWAY: Final = "%s does not answer: %s (%r)"
_BACK: Final = "%s answers again, after %.0f seconds and %d %s"


class Outage:
    """Says that something fails, and with what effect, and when that is over.

    What fails again within the minute is counted with the same. May be used in any
    thread.

    Args:
        logger: Gets the lines.
        what: Names what fails, such as "the cache 'default'".
        effect: What that means for clients, as a clause.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        logger: FaultLog,
        what: str,
        effect: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._what = what
        self._effect = effect
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at: float | None = None
        self._failures = 0
        self._failed_at = -math.inf

    @property
    def is_on(self) -> bool:
        """Whether the last that was noted is a failure."""
        return self._began_at is not None

    @property
    def is_going_on(self) -> bool:
        """Whether the last that was noted is a failure of the last minute."""
        is_recent = self._clock() - self._failed_at < SECONDS_BETWEEN_LINES
        return self.is_on and is_recent

    def note(self, error: BaseException) -> bool:
        """Note one failure.

        Returns:
            Whether a line says so now.
        """
        with self._lock:
            now = self._failed_at = self._clock()
            if self._began_at is None:
                self._began_at, self._failures = now, 0
            self._failures += 1
        self._logger.debug("%s failed", self._what, exc_info=error)
        return self._logger.error(
            _AWAY, self._what, self._effect, error, of=self._what, lasts=True
        )

    def end(self) -> None:
        """Note that it works; cheap while it always did."""
        if self._began_at is None:
            return
        with self._lock:
            if self._began_at is None:
                return
            seconds = self._clock() - self._began_at
            self._began_at = None
            failures = self._failures
        noun = "failure" if failures == 1 else "failures"
        self._logger.over(_AWAY, self._what, _BACK, self._what, seconds, failures, noun)
