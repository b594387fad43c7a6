"""How long a client waits for an answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Clock:
    """Ends a wait: after silence, and in any case after a longer time.

    It stands still while it is held, because the server waits for us meanwhile.

    Args:
        seconds: From the last sign that the peer works.
        total_seconds: From the start, whatever signs there are.

    Attributes:
        scope: What is ended.
    """

    def __init__(self, seconds: float, total_seconds: float) -> None:
        self.scope = anyio.CancelScope()
        self._seconds = seconds
        self._total_seconds = total_seconds
        self._ends_at = math.inf
        self._holders = 0
        self._held_since = 0.0

    @property
    def limit(self) -> float:
        """Which number of seconds it is that ends the wait."""
        is_silence = self.scope.deadline < self._ends_at
        return self._seconds if is_silence else self._total_seconds

    def start(self) -> None:
        """Begin to count the time."""
        self._ends_at = anyio.current_time() + self._total_seconds
        self.restart()

    def restart(self) -> None:
        """Count the silence from now on, because the peer works."""
        if not self._holders:
            silent_until = anyio.current_time() + self._seconds
            self.scope.deadline = min(silent_until, self._ends_at)

    def hold(self) -> None:
        """Stand still; several may hold it at a time."""
        if not self._holders:
            self._held_since = anyio.current_time()
            self.scope.deadline = math.inf
        self._holders += 1

    def release(self) -> None:
        """Run on, unless others hold it."""
        self._holders -= 1
        if not self._holders:
            self._ends_at += anyio.current_time() - self._held_since
            self.restart()


class Clocks:
    """The clocks of one client that run, which stand still together."""

    def __init__(self) -> None:
        self._running: set[Clock] = set()
        self._logins: list[list[Clock]] = []

    @contextmanager
    def counted(self, clock: Clock) -> Iterator[None]:
        """Have a clock stand still with the others in the block."""
        self._running.add(clock)
        for held in self._logins:
            clock.hold()
            held.append(clock)
        try:
            yield
        finally:
            self._running.discard(clock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let those that run stand still in the block: the peer waits for us."""
        held = list(self._running)
        for clock in held:
            clock.hold()
        try:
            yield
        finally:
            for clock in held:
                clock.release()

    @contextmanager
    def held_for_login(self) -> Iterator[None]:
        """Let all stand still, also those that begin in the block: a user logs in."""
        held = list(self._running)
        for clock in held:
            clock.hold()
        self._logins.append(held)
        try:
            yield
        finally:
            self._logins.remove(held)
            for clock in held:
                clock.release()
