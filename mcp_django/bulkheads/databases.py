"""The databases of the site: which of them is away, and since when.

Whoever asks in vain is told so by an exception that does not say which database it
was; the traceback does. In the log an outage is a few lines, however many ask.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import Error, InterfaceError, OperationalError
from django.dispatch import receiver

from mcp_django.bulkheads.faults import says_away
from mcp_django.bulkheads.outages import Outage
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway

T = TypeVar("T")

logger = logging.getLogger("mcp_django.database")

_outages: dict[str, Outage] = {}
_lock = threading.Lock()


def note(error: BaseException) -> bool | None:
    """Note an error if it says that a database is away.

    Returns:
        None if it does not; else whether a line in the log says so now.
    """
    if not isinstance(error, OperationalError | InterfaceError) or not says_away(error):
        return None
    return _outage_of(_alias_in(error)).note(error)


def refusal_for(error: BaseException) -> ServiceAway | None:
    """Note an error; refuse what asked, if it says that a database is away."""
    if note(error) is None:
        return None
    return ServiceAway("The site's database", mcp_settings.AWAY_SECONDS)


async def ask(function: Callable[[], Awaitable[T]]) -> T:
    """Await what may ask databases.

    Raises:
        ServiceAway: One of them is away.
    """
    try:
        return await function()
    except Error as error:
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error


def watched(function: Callable[[], T]) -> T:
    """Run, in a thread, what may ask databases; notice if one is back."""
    found = function()
    if any(outage.is_on for outage in list(_outages.values())):
        _look_again()
    return found


def _look_again() -> None:
    """End the outages of the databases that this thread has just asked."""
    for connection in connections.all(initialized_only=True):
        outage = _outages.get(connection.alias)
        if outage is None or not outage.is_on or connection.connection is None:
            continue
        if not connection.errors_occurred and connection.is_usable():
            outage.end()


def _outage_of(alias: str) -> Outage:
    with _lock:
        if alias not in _outages:
            _outages[alias] = Outage(
                logger,
                f"the database {alias!r}",
                "what needs it is refused, or fails",
            )
        return _outages[alias]


def _alias_in(error: BaseException) -> str:
    """Name the database that an error came of: Django's own code raised it there."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        at = frame.f_locals.get("self")
        if isinstance(at, CursorWrapper):
            at = at.db
        if isinstance(at, BaseDatabaseWrapper):
            return at.alias
    return DEFAULT_DB_ALIAS


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "MCP":
        _outages.clear()
