"""Writes entries in a thread of its own, many at a time."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from django.db import DatabaseError, Error, close_old_connections

from mcp_django.audit.models import prune
from mcp_django.audit.rows import Row, insert
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.faults import says_away
from mcp_django.bulkheads.missing_migrations import commands_for, lacks_something
from mcp_django.bulkheads.outages import Outage
from mcp_django.conf import mcp_settings
from mcp_django.worker.shutdown import call_at_end

logger = FaultLog("mcp_django.audit")

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
        self._waiting: deque[Row] = deque()
        self._has_some = threading.Event()
        self._has_many = threading.Event()
        self._is_closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_arranged = False
        self._prune_at = time.monotonic()
        self._outage = Outage(
            logger,
            "the database of the audit trail",
            "entries wait in memory, and are dropped when there are too many",
        )

    def add(self, row: Row) -> None:
        """Take the row of an entry, to be written soon; may be called in any thread."""
        waiting = self._waiting
        if len(waiting) >= mcp_settings.AUDIT_QUEUE:
            logger.warning(
                "an entry of the audit trail is dropped, because MCP['AUDIT_QUEUE'] = "
                "%d wait to be written already; look at the database",
                mcp_settings.AUDIT_QUEUE,
            )
            self._has_many.set()
            return
        waiting.append(row)
        if not self._has_some.is_set():
            self._has_some.set()
            if self._thread is None:
                self._start()
        elif len(waiting) == _BATCH:
            self._has_many.set()

    def close(self) -> None:
        """Write what waits, for some seconds at most; what then waits is lost."""
        self._is_closing.set()
        self._has_some.set()
        self._has_many.set()
        thread = self._thread
        if thread is not None:
            thread.join(_LAST_SECONDS)
        if self._waiting:
            logger.error(
                "an entry of the audit trail is lost: the process ends, and it "
                "could not be written; look at the database",
                times=len(self._waiting),
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
        if not self._is_arranged:
            self._is_arranged = True
            atexit.register(self.close)
            call_at_end(self.close)
            begin_anew = weakref.WeakMethod(self._begin_anew)
            os.register_at_fork(after_in_child=lambda: (begin_anew() or int)())

    def _begin_anew(self) -> None:
        """Begin in a process that was forked: the thread, and what waits, stayed."""
        self._waiting.clear()
        self._has_some = threading.Event()
        self._has_many = threading.Event()
        self._lock = threading.Lock()
        self._thread = None

    def _run(self) -> None:
        while not (self._is_closing.is_set() and not self._waiting):
            self._has_some.wait()
            self._has_many.wait(self._flush_seconds)
            self._has_some.clear()
            if not self._is_closing.is_set():
                self._has_many.clear()
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
                self._note(error)
                return False
            self._outage.end()
        return True

    def _write(self, batch: Sequence[Row]) -> None:
        """Write the first entries that wait, without those that the database refuses.

        Raises:
            Error: It takes none now: it is away, or has no table for them.
        """
        try:
            insert(batch)
        except Exception as error:  # whatever drivers say of a value
            if _has_to_wait(error):
                raise
        else:
            for _ in batch:
                self._waiting.popleft()
            return
        for row in batch:
            try:
                insert([row])
            except Exception as error:  # whatever drivers say of a value
                if _has_to_wait(error):
                    raise
                logger.error(
                    "an entry of the audit trail is lost, as the database refuses "
                    "it; see its error",
                    exc_info=error,
                )
            self._waiting.popleft()

    def _note(self, error: Error) -> None:
        """Say why nothing can be written."""
        if not lacks_something(error):
            self._outage.note(error)
        else:
            commands = isinstance(error, DatabaseError) and commands_for(error)
            logger.error(
                "the database lacks what the audit trail needs: run manage.py %s; "
                "until then entries wait in memory, and are dropped when there are too "
                "many (%s)",
                commands or "migrate",
                str(error).partition("\n")[0],
            )

    def _prune(self) -> bool:
        days, now = mcp_settings.AUDIT_DAYS, time.monotonic()
        if days is not None and now >= self._prune_at:
            self._prune_at = now + _PRUNE_SECONDS
            prune(days)
        return True


def _has_to_wait(error: Exception) -> bool:
    return isinstance(error, Error) and (says_away(error) or lacks_something(error))
