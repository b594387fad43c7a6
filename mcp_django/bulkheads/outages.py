"""What is logged of a service that fails: little, however many requests meet it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from mcp_django.bulkheads.throttle import SECONDS_BETWEEN_LINES, Throttle


class Outage:
    """Says that something fails, and with what effect, and when that is over.

    One line when it begins, at most one a minute with a count while it goes on, and one
    when it is over. What fails again within the minute is counted with the same. May be
    used in any thread.

    Args:
        logger: Gets the lines.
        what: Names what fails, such as "the cache 'default'".
        effect: What that means for clients, as a clause.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
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
        self._throttle = Throttle(clock)
        self._is_said = False
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
        self._logger.debug("%s failed", self._what, exc_info=error)
        with self._lock:
            now = self._clock()
            if self._began_at is None:
                self._began_at, self._failures, self._is_said = now, 0, False
            self._failures += 1
            self._failed_at = now
            unsaid = self._throttle.note()
            if not unsaid:
                return False
            self._is_said = True
        if unsaid == 1:
            self._logger.error(
                "%s does not answer: %s (%r)", self._what, self._effect, error
            )
        else:
            self._logger.error(
                "%s does not answer, %d times since the last such line: %s (%r)",
                self._what,
                unsaid,
                self._effect,
                error,
            )
        return True

    def end(self) -> None:
        """Note that it works; cheap while it always did."""
        if self._began_at is None:
            return
        with self._lock:
            if self._began_at is None:
                return
            seconds = self._clock() - self._began_at
            self._began_at = None
            failures, is_said = self._failures, self._is_said
            if is_said:
                self._throttle.forget()
        if is_said:
            self._logger.warning(
                "%s answers again, after %.0f seconds and %d %s",
                self._what,
                seconds,
                failures,
                "failure" if failures == 1 else "failures",
            )
