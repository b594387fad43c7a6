"""What the log is spared of things that happen often: all but one line a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

SECONDS_BETWEEN_LINES: Final = 60.0


class Throttle:
    """Lets a line be written once a minute, and counts what it has to speak of.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at = -math.inf
        self._unsaid = 0

    def note(self, count: int = 1) -> int:
        """Note that it happened so often.

        Returns:
            How often it happened since the last line, if there is one to write now;
            else 0.
        """
        self._unsaid += count
        now = self._clock()
        if not self._unsaid or now - self._said_at < SECONDS_BETWEEN_LINES:
            return 0
        unsaid, self._unsaid, self._said_at = self._unsaid, 0, now
        return unsaid

    def forget(self) -> None:
        """Forget what has not been said: it is over."""
        self._unsaid = 0
