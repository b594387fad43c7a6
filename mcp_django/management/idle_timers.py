"""Timers of idle connections: started with each request, and hardly ever due."""

from __future__ import annotations

import time
from collections.abc import Callable


class IdleTimers:
    """Timers that ring when the server looks whether their time has come.

    To start one costs nothing else, where a call of Twisted's reactor costs a twentieth
    of a small request.

    Args:
        clock: Gives the time in seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.running: set[IdleTimer] = set()

    def start(self, seconds: float, ring: Callable[[], object]) -> IdleTimer:
        """Start one, in the place of a reactor's `callLater`."""
        return IdleTimer(self, seconds, ring)

    def look(self) -> None:
        """Let those ring whose time has come."""
        now = self.clock()
        for timer in [timer for timer in self.running if timer.due_at <= now]:
            timer.cancel()
            timer.ring()


class IdleTimer:
    """One of them, with what connections ask of Twisted's `IDelayedCall`.

    Attributes:
        due_at: When its time has come.
        ring: Called then.
    """

    __slots__ = ("_timers", "due_at", "ring")

    def __init__(
        self, timers: IdleTimers, seconds: float, ring: Callable[[], object]
    ) -> None:
        self._timers = timers
        self.ring = ring
        self.reset(seconds)
        timers.running.add(self)

    def reset(self, seconds: float) -> None:
        """Begin anew."""
        self.due_at = self._timers.clock() + seconds

    def cancel(self) -> None:
        """Stop it; more calls do nothing."""
        self._timers.running.discard(self)
