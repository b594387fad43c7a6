"""Ends streams that are old, so that their clients spread over the workers again.

After a restart of one worker all of its clients have gone to others, and stay there for
as long as their streams do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from mcp_django.conf import mcp_settings
from mcp_django.worker.connections import OpenConnection

_LEAST: Final = 0.5
"""Of the largest age, how much a stream has at least."""


class Ages:
    """Says which streams of one worker are old.

    Streams that began together do not end together: each gets a random age of its own,
    between half of the largest and all of it. From then on it ends as soon as nothing
    runs on it, and at the largest age whatever runs: then it takes no more.

    Args:
        clock: Gives the time in seconds.
        draw: Gives a random number between two.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._ends: dict[OpenConnection, tuple[float, float]] = {}

    def add(self, stream: OpenConnection) -> None:
        """Begin to count, if there is such an age."""
        largest = mcp_settings.MAX_STREAM_SECONDS
        if largest:
            now = self._clock()
            soonest = now + self._draw(largest * _LEAST, largest)
            self._ends[stream] = soonest, now + largest

    def remove(self, connection: OpenConnection) -> None:
        """Forget what has ended, if it was counted."""
        self._ends.pop(connection, None)

    def take_old(self) -> list[OpenConnection]:
        """Give the streams that are to end now, each once."""
        if not self._ends:
            return []
        now = self._clock()
        old = [
            stream
            for stream, (soonest, latest) in self._ends.items()
            if now >= soonest and (stream.is_idle or now >= latest)
        ]
        for stream in old:
            del self._ends[stream]
        return old
