"""Whether the peer of a connection keeps up with what it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mcp_django.transports.base import OnClear, do_nothing


class Flow:
    """Flow control of a connection whose own way to send waits for a slow reader.

    There is nothing to do then: it is never congested, and what is not taken yet is
    not read either. Others override what they know better.

    Attributes:
        is_congested: Whether the peer has yet to read much of what it was sent.
        on_clear: Called when `is_congested` has become false.
    """

    is_congested: bool = False
    on_clear: OnClear

    def __init__(self) -> None:
        self.on_clear = do_nothing

    @property
    def has_unread(self) -> bool:
        """Whether the peer is known to have yet to take something that it was sent."""
        return False

    def progress(self) -> object:
        """Give a value that is another one once the peer has read something."""
        return None

    async def wait(self) -> None:
        """Return when it is not congested, or the connection is lost.

        Has no timeout: the caller knows for how long to wait.
        """

    @contextmanager
    def reading_held(self) -> Iterator[None]:
        """Read nothing from the peer in the block, once that takes a while."""
        yield

    def close(self) -> None:
        """Let go of the connection, before it is ended; more calls do nothing."""

    def abort(self) -> None:
        """End the connection at once, with all that the peer has not read.

        Does nothing where the server has no way to.
        """


class Uptake:
    """For how long a peer has taken nothing of what it was sent.

    A program that reads nothing is one thing; where a path passes nothing any more, not
    even the peer's system acknowledges what it was sent, however little that is.

    Args:
        flow: Tells what was taken.
        clock: Gives the time in seconds; never goes back.

    Attributes:
        is_pending: Whether there may be something to take. To be set when something is
            sent.
        seconds: How long, when it was looked last; 0.0 if nothing is unread, or that
            is not known.
    """

    __slots__ = ("_clock", "_flow", "_progress", "_since", "is_pending", "seconds")

    def __init__(self, flow: Flow, clock: Callable[[], float] = time.monotonic) -> None:
        self._flow = flow
        self._clock = clock
        self.is_pending = False
        self._progress: object = None
        self._since = 0.0
        self.seconds = 0.0

    def look(self) -> float:
        """Look how long it is now; to be called every second or so."""
        # Asking the system costs something, and most streams are silent.
        if not self.is_pending:
            return 0.0
        if not self._flow.has_unread:
            self.is_pending = False
            self._progress = None
            self.seconds = 0.0
            return 0.0
        progress, now = self._flow.progress(), self._clock()
        if progress != self._progress:
            self._progress, self._since = progress, now
        self.seconds = now - self._since
        return self.seconds
