"""What is logged of things that happen often: one line a minute, with their number."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Final

_SECONDS_BETWEEN_LINES: Final = 60.0


class Counted:
    """Says how often something happened, at most once a minute.

    Args:
        logger: Gets the lines, as warnings.
        text: What happened, with `%d` for how often since the last line.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
        text: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._text = text
        self._clock = clock
        self._said_at = -math.inf
        self._unsaid = 0

    def note(self, count: int = 1) -> None:
        """Note that it happened so often; with 0, say what has not been said yet."""
        self._unsaid += count
        now = self._clock()
        if self._unsaid and now - self._said_at >= _SECONDS_BETWEEN_LINES:
            unsaid, self._unsaid, self._said_at = self._unsaid, 0, now
            self._logger.warning(self._text, unsaid)
