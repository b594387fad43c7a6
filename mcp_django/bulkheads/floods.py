"""What libraries log again and again while a service is away: one line a minute."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Final

_SECONDS_BETWEEN_LINES: Final = 60.0


class OnceAMinute(logging.Filter):
    """Lets one record of a kind pass each minute, in one line without a traceback.

    Add it to the logger that gets them; other records pass as they are.

    Args:
        text: What the messages of these records contain.
        clock: Gives the time in seconds.
    """

    def __init__(
        self, text: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._text = text
        self._clock = clock
        self._said_at = -math.inf
        self._unsaid = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged, after shortening it."""
        message = record.getMessage()
        if self._text not in message:
            return True
        self._unsaid += 1
        now = self._clock()
        if now - self._said_at < _SECONDS_BETWEEN_LINES:
            return False
        error = record.exc_info[1] if record.exc_info else None
        record.msg = "%s%s (%d times since the last such line)"
        line = message.partition("\n")[0]
        record.args = (line, "" if error is None else f": {error!r}", self._unsaid)
        record.exc_info = record.exc_text = None
        self._said_at, self._unsaid = now, 0
        return True
