"""Writes entries in a thread of its own, many at a time."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from django.db import Error, close_old_connections, router

from mcp_django.audit.models import Entry, prune
from mcp_django.bulkheads.counted import Counted
from mcp_django.bulkheads.faults import says_away
from mcp_django.bulkheads.missing_migrations import lacks_something
from mcp_django.bulkheads.outages import Outage
from mcp_django.bulkheads.throttle import Throttle
from mcp_django.conf import mcp_settings
from mcp_django.worker.shutdown import call_at_end

logger = logging.getLogger("mcp_django.audit")

_BATCH: Final = 500
_FLUSH_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 2.0
_PRUNE_SECONDS: Final = 3600.0
_LAST_SECONDS: Final = 3.0
"""How long the end of the process waits for what is not written yet."""


class Writer:
    """Keeps entries until they are written; `add` waits for nothing.

    ::

        NEW --add()--> RUNNING --close()--> CLOSED

    While the database is away entries are kept, up to `MCP["AUDIT_QUEUE"]` of them;
    further ones are dropped, counted, and said in the log.

    Args:
        flush_seconds: How long it gathers before it writes.
        retry_seconds: How long it waits for a database that is away.
    """

    def __init__(
        self,
        *,
        flush_seconds: float = _FLUSH_SECONDS,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._waiting: deque[Entry] = deque()
        self._has_some = threading.Event()
        self._is_closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._prune_at = time.monotonic()
        self._dropped = Counted(
            logger,
            "%d entries of the audit trail were dropped, because MCP['AUDIT_QUEUE'] "
            "wait to be written already; look at the database",
        )
        self._refused = Throttle()
        self._outage = Outage(
            logger,
            "the database of the audit trail",
            "entries wait in memory, and are dropped when there are too many",
        )

    def add(self, entry: Entry) -> None:
        """Take an entry, to be written soon; may be called in any thread."""
        if len(self._waiting) >= mcp_settings.AUDIT_QUEUE:
            self._dropped.note()
            return
        self._waiting.append(entry)
        if not self._has_some.is_set():
            self._has_some.set()
            if self._thread is None:
                self._start()

    def close(self) -> None:
        """Write what waits, for some seconds at most; what then waits is lost."""
        self._is_closing.set()
        self._has_some.set()
        thread = self._thread
        if thread is not None:
            thread.join(_LAST_SECONDS)
        if self._waiting:
            logger.error(
                "%d entries of the audit trail are lost: the process ends, and they "
                "could not be written",
                len(self._waiting),
            )
            self._waiting.clear()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            # A daemon: a database that hangs must not keep the process from its end.
            self._thread = threading.Thread(
                target=self._run, name="mcp-audit", daemon=True
            )
            self._thread.start()
        atexit.register(self.close)
        call_at_end(self.close)

    def _run(self) -> None:
        while not (self._is_closing.is_set() and not self._waiting):
            self._has_some.wait()
            self._is_closing.wait(self._flush_seconds)
            self._has_some.clear()
            close_old_connections()
            is_written = self._contained(self._write_all)
            if is_written:
                self._contained(self._prune)
            close_old_connections()
            if not is_written:
                if self._is_closing.wait(self._retry_seconds):
                    return
                self._has_some.set()

    def _contained(self, function: Callable[[], bool]) -> bool:
        try:
            return function()
        except BaseException as error:  # in a thread of ours, which has to go on
            self._outage.note(error)
            return False

    def _write_all(self) -> bool:
        """Write what waits; False if that has to be tried again."""
        while self._waiting:
            # Only this thread takes some away.
            batch = [self._waiting[i] for i in range(min(_BATCH, len(self._waiting)))]
            try:
                self._write(batch)
            except Error as error:
                self._outage.note(error)
                return False
            self._outage.end()
        return True

    def _write(self, batch: Sequence[Entry]) -> None:
        """Write the first entries that wait, without those that the database refuses.

        Raises:
            Error: It takes none now: it is away, or has no table for them.
        """
        try:
            _insert(batch)
        except Error as error:
            if _has_to_wait(error):
                raise
        else:
            for _ in batch:
                self._waiting.popleft()
            return
        for entry in batch:
            try:
                _insert([entry])
            except Error as error:
                if _has_to_wait(error):
                    raise
                if count := self._refused.note():
                    logger.error(
                        "%d entries of the audit trail are lost: the database refuses "
                        "them",
                        count,
                        exc_info=error,
                    )
            self._waiting.popleft()

    def _prune(self) -> bool:
        days, now = mcp_settings.AUDIT_DAYS, time.monotonic()
        if days is not None and now >= self._prune_at:
            self._prune_at = now + _PRUNE_SECONDS
            prune(days)
        return True


def _has_to_wait(error: Error) -> bool:
    return says_away(error) or lacks_something(error)


def _insert(entries: Sequence[Entry]) -> None:
    for entry in entries:
        entry.pk = None  # of a batch that was rolled back
    Entry.objects.using(router.db_for_write(Entry)).bulk_create(entries)
