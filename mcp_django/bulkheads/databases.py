"""The databases of the site: which of them is away, and since when.

Code that asks in vain is told so by an exception that does not say which database it
was; the traceback does. In the log an outage is a few lines, however many ask.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable
from types import FrameType
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import anyio
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import Error, InterfaceError, InternalError, OperationalError
from django.dispatch import receiver

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.faults import says_away
from mcp_django.bulkheads.outages import Outage
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway

T = TypeVar("T")

logger = FaultLog("mcp_django.database")

_FAULTS: Final = (OperationalError, InterfaceError, InternalError)

_outages: dict[str, Outage] = {}
_due: Final[WeakKeyDictionary[BaseDatabaseWrapper, set[Callable[[], object]]]] = (
    WeakKeyDictionary()
)
_lock = threading.Lock()


def note(error: BaseException) -> bool | None:
    """Note an error if it says that a database is away.

    Returns:
        None if it does not; else whether a line in the log says so now.
    """
    if not isinstance(error, _FAULTS) or not says_away(error):
        return None
    return _outage_of(_alias_in(error)).note(error)


def are_away() -> bool:
    """Say whether one of them failed a moment ago, and has not answered since."""
    return any(outage.is_going_on for outage in list(_outages.values()))


def refusal_for(error: BaseException) -> ServiceAway | None:
    """Note an error; refuse what asked, if it says that a database is away."""
    if note(error) is None:
        return None
    return ServiceAway("the site's database", mcp_settings.AWAY_SECONDS)


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
    look_again()
    return found


def look_again() -> None:
    """End the outages of the databases that this thread has just asked."""
    if not any(outage.is_on for outage in list(_outages.values())):
        return
    for connection in connections.all(initialized_only=True):
        outage = _outages.get(connection.alias)
        if outage is None or not outage.is_on or connection.connection is None:
            continue
        if not connection.errors_occurred and connection.is_usable():
            outage.end()


async def ask_in_thread(
    run: Callable[[Callable[[], tuple[T]]], Awaitable[tuple[T]]],
    function: Callable[[], T],
) -> T:
    """Do the same where `run` runs it; note a database for which it waits in vain.

    Args:
        run: Runs a function in a thread.
        function: What may ask databases.
    """
    thread: int | None = None

    def call() -> tuple[T]:
        nonlocal thread
        thread = threading.get_ident()
        try:
            # In a tuple, because trio's threads refuse to return a coroutine.
            return (watched(function),)
        finally:
            thread = None

    try:
        [found] = await run(call)
    except anyio.get_cancelled_exc_class():
        is_late = anyio.current_effective_deadline() <= anyio.current_time()
        if is_late and thread is not None:
            _note_wait(thread)
        raise
    return found


def after_commit(function: Callable[[], object], using: str) -> None:
    """Call a function once the open transaction is committed, at once if there is none.

    Args:
        function: What to call, in this thread.
        using: Alias of the database whose transaction is meant.
    """
    connection = connections[using]
    # Outside a transaction Django's on_commit would open a connection to look.
    if connection.in_atomic_block:
        connection.on_commit(function)
    else:
        function()


def once_after_commit(function: Callable[[], object], using: str) -> None:
    """As `after_commit`; call it once, however often a transaction asks for it.

    Args:
        function: What to call, in this thread; equal to itself when it is given again.
        using: Alias of the database whose transaction is meant.
    """
    due = _due.setdefault(connections[using], set())
    due.add(function)

    def call() -> None:
        # Each asks for itself: savepoints that are rolled back take theirs along.
        if function in due:
            due.remove(function)
            function()

    after_commit(call, using)


def _note_wait(thread: int) -> None:
    """Note a database for whose answer a thread waits too long, if it does."""
    frame = sys._current_frames().get(thread)
    frames = () if frame is None else traceback.walk_stack(frame)
    alias = _alias_among(frame for frame, _ in frames)
    if alias is not None:
        _outage_of(alias).note(TimeoutError("no answer in time"))


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
    frames = traceback.walk_tb(error.__traceback__)
    return _alias_among(frame for frame, _ in frames) or DEFAULT_DB_ALIAS


def _alias_among(frames: Iterable[FrameType]) -> str | None:
    """Name the database that Django's own code asks in one of some frames."""
    for frame in frames:
        at: Any = frame.f_locals.get("self")
        # Not `isinstance`, for which lazy objects are read.
        if issubclass(type(at), CursorWrapper):
            at = at.db
        if issubclass(type(at), BaseDatabaseWrapper):
            alias: str = at.alias
            return alias
    return None


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "MCP":
        _outages.clear()
