"""Whether the peer of a connection keeps up with what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mcp_django.transports.base import OnClear


class Flow:
    """Flow control of a connection whose own way to send waits for a slow reader.

    There is nothing to do then: it is never congested, and what is not taken yet is
    not read either. Others override what they know better.

    Attributes:
        on_clear: Called when `is_congested` has become false.
    """

    on_clear: OnClear

    def __init__(self) -> None:
        self.on_clear = _do_nothing

    @property
    def is_congested(self) -> bool:
        """Whether the peer has yet to read much of what it was sent."""
        return False

    @property
    def has_unread(self) -> bool:
        """Whether the peer is known to have yet to take something that it was sent."""
        return False

    def progress(self) -> object:
        """Give a value that is another one once the peer has read something."""
        return None

    async def wait(self) -> None:
        """Return when it is not congested, or the connection is lost.

        Has no timeout: whoever waits knows for how long.
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


def _do_nothing() -> None:
    pass
