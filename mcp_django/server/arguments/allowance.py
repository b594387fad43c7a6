"""Time for what takes long only if a client means it to, for all of a process.

A request may take some of it, and so might a hundred requests, of one batch or of many
clients, one after the other. Values that are meant to be found or to fit need next to
none, and get as much as they need also when others have taken all.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

_MAX_SECONDS: Final = 0.1
_SHARE: Final = 0.1
"""Seconds that come back in each second."""


class Allowance:
    """Time that is left; in any thread.

    Args:
        clock: Gives seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._left = _MAX_SECONDS
        self._since = clock()

    def ask(self, most: float, least: float) -> float:
        """Give the seconds that one check may take now.

        Args:
            most: What it gets if there is enough.
            least: What it gets in any case.
        """
        now = self._clock()
        returned = (now - self._since) * _SHARE
        self._left, self._since = min(self._left + returned, _MAX_SECONDS), now
        return max(least, min(most, self._left))

    def spend(self, seconds: float) -> None:
        """Note what a check took."""
        # As much can be owed as can be had, so that it is paid back soon.
        self._left = max(self._left - seconds, -_MAX_SECONDS)


allowance: Final = Allowance()
"""That of this process."""
