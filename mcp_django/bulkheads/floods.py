"""What libraries log again and again while a service is away: a line a minute."""

from __future__ import annotations

import logging

from mcp_django.bulkheads.fault_log import FaultLog


class OnceAMinute(logging.Filter):
    """Says records of a kind as faults of ours are, each in a line without a traceback.

    Add it to the logger that gets them; other records pass as they are.

    Args:
        text: What the messages of these records contain.
        log: Says them, by the same logger.
    """

    def __init__(self, text: str, log: FaultLog) -> None:
        super().__init__()
        self._text = text
        self._log = log

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged as it is."""
        if hasattr(record, "more") or self._text not in record.getMessage():
            return True
        line = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            self._log.error("%s", line, of=self._text)
        else:
            self._log.error("%s: %r", line, error, of=self._text)
        return False
