"""Knows in each process what is switched off, and tells its clients of changes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from django.core import mail
from django.db import DatabaseError, connections, router
from django.db.models.signals import post_delete, post_save

from mcp_django.bulkheads.databases import once_after_commit
from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.missing_migrations import lacks_something
from mcp_django.bulkheads.outages import Outage
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.threads import runs_asyncio
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.server.requests import Request
from mcp_django.server.switched_off import (
    SwitchedFeature,
    SwitchedOff,
    switched_off,
)
from mcp_django.switches.models import Switch
from mcp_django.switches.notices import tell_clients

logger = FaultLog("mcp_django.switches")

READ_SECONDS: Final = 5.0
"""How often each worker has the table read, should it hear of no change."""

_TABLE: Final = "the table of features switched off"
_EFFECT: Final = (
    "what was known last counts, and requests are refused where nothing is known yet"
)


class Keeper:
    """Fills what requests look at with what the table says.

    ::

        UNKNOWN --first request, or first tick of a worker--> KNOWN --again--> KNOWN

    While nothing is known requests read the table themselves, and are refused if that
    fails. From then on `reading` has it read, and what was read last counts, however
    often that fails. May be used in any thread.

    In tests of a site nothing is read by itself, because most may use no database
    there: only once a switch was made or deleted, and then with each request, so that
    it ends with the transaction of its test.

    Args:
        off: What requests look at.
        is_test: Whether this is a test of a site.

    Attributes:
        on_changed: Called when this process has changed the table.
    """

    def __init__(
        self,
        off: SwitchedOff,
        *,
        is_test: Callable[[], bool] = lambda: hasattr(mail, "outbox"),
    ) -> None:
        self._off = off
        self.is_test = is_test
        self.on_changed: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._begun = self._applied = 0
        self._read_at = -math.inf
        self._is_known = False
        self._has_table = False
        self._is_touched = False
        self._outage = Outage(logger, _TABLE, _EFFECT)

    def begin(self) -> None:
        """Have each request wait until it is known what is switched off."""
        self._off.learn = self.learn
        self._off.refresh = self.refresh
        self._off.is_any = True

    async def learn(self, request: Request) -> None:
        """Read the table for a request, unless what is known counts.

        Raises:
            ServiceAway: It cannot be read.
        """
        if self.is_test():
            await self._learn_in_test(request)
        elif runs_asyncio():
            if not self._is_known:
                await self.read_in_thread(request.ask_in_thread, unless_known=True)
        # On trio there is no worker that has it read.
        elif time.monotonic() - self._read_at >= READ_SECONDS:
            await self.read_in_thread(request.ask_in_thread)
            self._off.is_any = True

    async def _learn_in_test(self, request: Request) -> None:
        if self._is_touched:
            await request.ask_in_thread(self._read_in_test)
        else:
            self._off.set(self._off.features)

    def _read_in_test(self) -> None:
        try:
            self.read()
        except Exception:  # of a test that may use no database, nor switch
            self._off.set(())
        self._is_touched = self._off.is_any

    def refresh(self) -> None:
        """Read the table in this thread, for what is no request, such as a command.

        Raises:
            DatabaseError: It cannot be read.
        """
        if not self.is_test():
            self.read()
        elif self._is_touched:
            self._read_in_test()

    async def read_in_thread(
        self,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        *,
        unless_known: bool = False,
    ) -> None:
        """Read the table, within a bound, and tell clients what changed.

        Args:
            run: Runs a function in a thread.
            unless_known: Whether one that was read meanwhile will do, so that of many
                requests at the start few read it.

        Raises:
            ServiceAway: It cannot be read; the log says so.
        """

        def read() -> None:
            if not (unless_known and self._is_known):
                self.read()

        try:
            await ask_in_thread(_service(), read, run)
        except ServiceAway:
            raise
        except Exception as error:
            self._outage.note(error)
            raise ServiceAway(_TABLE, mcp_settings.AWAY_SECONDS) from error
        self._outage.end()

    def read(self) -> None:
        """Read the table, in this thread, and tell clients what changed.

        Raises:
            DatabaseError: It cannot be read.
        """
        with self._lock:
            self._begun += 1
            number = self._begun
        # Without the lock: a database that hangs must not keep others from reading.
        found = self._read_table()
        with self._lock:
            if number < self._applied:
                return  # What began later has read what is newer.
            self._applied, self._read_at = number, time.monotonic()
            changed = found ^ self._off.features
            self._off.set(found)
            self._is_known = True
        if changed:
            tell_clients(changed)

    def _read_table(self) -> frozenset[SwitchedFeature]:
        # A replica may not have yet what was just told.
        alias = router.db_for_write(Switch)
        try:
            rows = list(Switch.objects.using(alias).order_by())
        except DatabaseError as error:
            if self._has_table or not _is_missing(alias, error):
                raise
            logger.error(
                "%s does not exist, so nothing is switched off; run migrate", _TABLE
            )
            return frozenset()
        self._has_table = True
        return frozenset(row.feature for row in rows)

    def note_change(self, using: str) -> None:
        """Read the table when changes of it are committed, and have others do so."""
        if self.is_test():
            self._is_touched = self._off.is_any = True
        once_after_commit(self._changed, using)

    def _changed(self) -> None:
        try:
            self.read()
        except DatabaseError as error:
            self._outage.note(error)  # The next tick reads it.
        self.on_changed()


keeper: Final = Keeper(switched_off)
"""Of this process."""


def connect() -> None:
    """Begin to look at what is switched off, in every request."""
    keeper.begin()
    for signal in (post_save, post_delete):
        signal.connect(_note_change, Switch, dispatch_uid="mcp_django.switches")


def _note_change(using: str, **kwargs: Any) -> None:
    keeper.note_change(using)


def _is_missing(alias: str, error: DatabaseError) -> bool:
    """Say whether an error came of it that migrations have not made the table yet."""
    if not lacks_something(error):
        return False
    connection = connections[alias]
    with connection.cursor() as cursor:
        return Switch._meta.db_table not in connection.introspection.table_names(cursor)


@kept
def _service() -> Service:
    return service_of_site(
        _TABLE,
        _EFFECT,
        timeout=lambda: mcp_settings.PERMISSION_TIMEOUT,
        logger=logger,
    )
