"""Event loops whose clocks jump: what takes a minute takes no time in a test.

The clock stands still while something happens, and jumps to the next deadline when
nothing does. Tests that use it must not wait for threads.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any, Final

from trio.testing import MockClock


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no time, and says how long it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds that would have passed."""
        return self._jumping.now


BACKENDS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "asyncio": lambda: {"loop_factory": JumpingLoop},
    "trio": lambda: {"clock": MockClock(autojump_threshold=0)},
}
"""Name of each event loop and how to make the options for one whose clock jumps."""
