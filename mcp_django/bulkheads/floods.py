"""What libraries log again and again while a service is away: one line a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mcp_django.bulkheads.throttle import Throttle


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
        self._throttle = Throttle(clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged, after shortening it."""
        message = record.getMessage()
        if self._text not in message:
            return True
        unsaid = self._throttle.note()
        if not unsaid:
            return False
        error = record.exc_info[1] if record.exc_info else None
        record.msg = "%s%s (%d times since the last such line)"
        line = message.partition("\n")[0]
        record.args = (line, "" if error is None else f": {error!r}", unsaid)
        record.exc_info = record.exc_text = None
        return True
