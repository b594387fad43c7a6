"""What is logged of things that happen often: one line a minute, with their number."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mcp_django.bulkheads.throttle import Throttle


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
        self._throttle = Throttle(clock)

    def note(self, count: int = 1) -> None:
        """Note that it happened so often; with 0, say what has not been said yet."""
        if unsaid := self._throttle.note(count):
            self._logger.warning(self._text, unsaid)
