"""What has been said of faults: a line when one begins, then one a minute.

What comes again within a minute of its line is counted, and the next line, or the end
of the process, says how much more there was: no count is lost. A kind is a text of the
code, what it is about, and where an exception came from: two mistakes in one handler
are two kinds.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_django.bulkheads.log_values import escaped

SECONDS_BETWEEN_LINES: Final = 60.0

_MAX_KINDS: Final = 50
"""Of one text; what is beyond shares a line, such as what clients make up."""

_MORE: Final = "(%d more like it in the last minute)"
_HELD: Final = f"%s {_MORE}"

_MAX_CAUSES: Final = 10

_SECONDS_LEFT_FOR_NEXT: Final = 5.0
"""While a fault goes on, its next one says the count, with a new traceback."""

_STACK_LEVEL: Final = 5
"""Who called a method of `FaultLog`, seen from here: the record is theirs."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something went wrong, as code says it to the log.

    Attributes:
        logger: Gets the line.
        level: Of the line.
        text: What is wrong, and what to do; with `%` for `args`.
        args: Values; whatever they are, they cannot begin a line of their own.
        error: Is logged with its traceback.
        of: What it is about, if that makes it another kind.
        lasts: Whether something will say that it is over.
        times: How often it happened; 0 if it goes on.
        extra: Attributes for the record.
    """

    logger: logging.Logger
    level: int
    text: str
    args: tuple[object, ...] = ()
    error: BaseException | None = None
    of: Hashable = None
    lasts: bool = False
    times: int = 1
    extra: Mapping[str, Any] | None = None

    def write(self, level: int, more: int = 0) -> None:
        """Write the line, with how many like it there were since the last one."""
        text, args = self.text, tuple(map(escaped, self.args))
        if more:
            text, args = f"{text} {_MORE}", (*args, more)
        self.logger.log(
            level,
            text,
            *args,
            exc_info=self.error,
            stacklevel=_STACK_LEVEL,
            extra={**(self.extra or {}), "more": more},
        )

    def message(self) -> str:
        """Say what is wrong without a traceback."""
        message = self.text % tuple(map(escaped, self.args))
        error = self.error
        return message if error is None else f"{message}: {type(error).__qualname__}"


class _Kind:
    """What was said of one kind of fault, and how many more there were since."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self.said_at = -math.inf
        self.is_going_on = False
        self.more = 0

    def is_said_lately(self, now: float) -> bool:
        return now - self.said_at < SECONDS_BETWEEN_LINES

    def hold(self, fault: Fault) -> None:
        """Count one that is not said now."""
        self.more += fault.times
        self.level, self.message = fault.level, fault.message()
        self.lasts, self.extra = fault.lasts, fault.extra

    def write(self, more: int) -> None:
        """Say how many were held back."""
        extra = {**(self.extra or {}), "more": more}
        self.logger.log(self.level, _HELD, self.message, more, extra=extra)


class FaultLines:
    """Says each kind of fault once, and then once a minute with a count.

    May be used in any thread. What has been held back and is no longer met is said by a
    thread, which lives while there is such.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_registered = False
        self._begin()

    def _begin(self) -> None:
        """Begin anew, as in a process that was forked."""
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._groups: dict[Hashable, dict[Hashable, _Kind]] = {}
        self._held: dict[_Kind, None] = {}
        self._thread: threading.Thread | None = None
        self._is_over = threading.Event()

    def say(self, fault: Fault) -> bool:
        """Say what is wrong now, or later together with what is like it.

        Returns:
            Whether a line says so now.
        """
        if not fault.logger.isEnabledFor(fault.level):
            return False
        if fault.level < logging.WARNING:
            fault.write(fault.level)
            return True
        with self._lock:
            now = self._clock()
            kind = self._kind_of(fault, now)
            if is_held := kind.is_said_lately(now):
                kind.hold(fault)
                self._hold(kind)
            else:
                more = kind.more + max(fault.times, 1) - 1
                self._settle(kind, now, is_going_on=fault.lasts)
        if is_held:
            if fault.logger.isEnabledFor(logging.DEBUG):
                fault.write(logging.DEBUG)
            return False
        fault.write(fault.level, more)
        return True

    def end(self, logger: logging.Logger, text: str, of: Hashable) -> bool:
        """Note that a fault that lasts is over, and forget how many were not said.

        Returns:
            Whether a line has said that it began.
        """
        with self._lock:
            kind = self._groups.get((logger.name, text), {}).get((of, frozenset()))
            if kind is None or not kind.is_going_on:
                return False
            self._settle(kind, kind.said_at, is_going_on=False)
            return True

    def say_due(self) -> None:
        """Say what was held back and is over: it is not met any more."""
        with self._lock:
            now = self._clock()
            latest = now - SECONDS_BETWEEN_LINES - _SECONDS_LEFT_FOR_NEXT
            due = [(kind, kind.more) for kind in self._held if kind.said_at <= latest]
            for kind, _ in due:
                self._settle(kind, now, is_going_on=kind.lasts)
        for kind, more in due:
            kind.write(more)

    def say_rest(self) -> None:
        """Say what is held back, and begin anew: the next of each kind is the first."""
        with self._lock:
            held = [(kind, kind.more) for kind in self._held]
            self._is_over.set()
            self._forget()
        for kind, more in held:
            kind.write(more)

    def _kind_of(self, fault: Fault, now: float) -> _Kind:
        group = self._groups.setdefault((fault.logger.name, fault.text), {})
        key: Hashable = (fault.of, frozenset(_places_of(fault.error)))
        if key in group:
            return group[key]
        for old, kind in list(group.items()):
            if not (kind.more or kind.is_going_on or kind.is_said_lately(now)):
                del group[old]
        if len(group) >= _MAX_KINDS:
            key = None
        return group.setdefault(key, _Kind(fault.logger))

    def _settle(self, kind: _Kind, now: float, *, is_going_on: bool) -> None:
        kind.said_at, kind.is_going_on, kind.more = now, is_going_on, 0
        self._held.pop(kind, None)

    def _hold(self, kind: _Kind) -> None:
        """See to it that what is held back will be said."""
        if not kind.more:
            return
        self._held[kind] = None
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self.say_rest)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._begin)
        if self._thread is None:
            thread = threading.Thread(
                target=self._say_in_time,
                args=(self._is_over,),
                name="mcp-fault-lines",
                daemon=True,
            )
            # The next one that is held back tries again.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def _say_in_time(self, is_over: threading.Event) -> None:
        """Say what is held back, each when its time has come, until nothing is."""
        while True:
            with self._lock:
                if is_over.is_set():
                    return
                if not self._held:
                    self._thread = None
                    return
                first = min(kind.said_at for kind in self._held)
            due = first + SECONDS_BETWEEN_LINES + _SECONDS_LEFT_FOR_NEXT
            is_over.wait(max(0.0, due - self._clock()))
            if not is_over.is_set():
                self.say_due()


fault_lines: Final = FaultLines()
"""Those of this process."""


def _places_of(error: BaseException | None) -> Iterator[Hashable]:
    """Give where an exception and its causes came from; recursion gives no more."""
    for _ in range(_MAX_CAUSES):
        if error is None:
            return
        yield type(error).__module__, type(error).__qualname__
        traceback = error.__traceback__
        while traceback is not None:
            yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
            traceback = traceback.tb_next
        error = error.__cause__
