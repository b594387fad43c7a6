"""Bytes of answers that are not read yet: a budget for each user, and one for all.

What a client was answered and has yet to read lies in our memory. One answer may be a
million times as large as another, so that bytes count, and not answers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import anyio

from mcp_django.exceptions import ReaderTooSlow

UNCOUNTED_BYTES: Final = 64 * 1024
"""What is no larger is not counted where it goes at once: buffers of servers and
systems take as much."""


@dataclass(frozen=True, slots=True)
class UnreadLimits:
    """How much may be unread; see the `MCP` settings.

    Attributes:
        max_bytes: Of all users together.
        max_bytes_per_user: Of one user.
    """

    max_bytes: int
    max_bytes_per_user: int


class Unread:
    """What the clients of one worker have yet to read.

    A user may have as much of it as the limit says, and no more than is left for all.
    So a user who has much of it leaves as much to all others, and some is always left
    for the user who comes next.

    Args:
        limits: Gives the limits, as they are now.

    Attributes:
        total: Bytes of all users together.
    """

    def __init__(self, limits: Callable[[], UnreadLimits]) -> None:
        self.total = 0
        self._limits = limits
        self._by_owner: dict[Hashable, int] = {}
        self._less: anyio.Event | None = None

    def bytes_of(self, owner: Hashable) -> int:
        """Give how much a user has yet to read."""
        return self._by_owner.get(owner, 0)

    def room_for(self, owner: Hashable) -> int:
        """Give how many bytes more a user may have."""
        limits = self._limits()
        own = self.bytes_of(owner)
        # With them, they have no more than is left.
        fair = max(limits.max_bytes - self.total - own, 0) // 2
        # One answer of whatever size is for a user who has none.
        return min(limits.max_bytes_per_user - own, fair) if own else fair

    def is_full(self, owner: Hashable) -> bool:
        """Say whether a user should read before anything more is begun for them.

        That is so with half of the budget: what is begun already may need the other.
        """
        own = self.bytes_of(owner)
        return own > 0 and own >= self.room_for(owner)

    async def wait_for_room(self, owner: Hashable, timeout: float) -> bool:
        """Wait until a user has read enough; False if that takes too long.

        Args:
            owner: The user.
            timeout: In seconds.
        """
        with anyio.move_on_after(timeout):
            while self.is_full(owner):
                self._less = self._less or anyio.Event()
                await self._less.wait()
            return True
        return False

    def take(self, owner: Hashable, size: int) -> None:
        """Count bytes that a user has yet to read; pair with `give_back`.

        Raises:
            ReaderTooSlow: There is no room for so many.
        """
        room = self.room_for(owner)
        if size > room:
            raise ReaderTooSlow(size, self.bytes_of(owner))
        self.add(owner, size)

    def add(self, owner: Hashable, size: int) -> None:
        """Count bytes for which there has to be room; pair with `give_back`."""
        self.total += size
        self._by_owner[owner] = self.bytes_of(owner) + size

    def give_back(self, owner: Hashable, size: int) -> None:
        """Count bytes no longer: they are read, or will not be."""
        self.total -= size
        left = self.bytes_of(owner) - size
        if left:
            self._by_owner[owner] = left
        else:
            self._by_owner.pop(owner, None)
        if self._less is not None:
            self._less.set()
            self._less = None


class Account:
    """What one connection has of its user's budget.

    Args:
        unread: Where it is counted; None where nothing is, as over one's own pipes.
        owner: Names the user; "" where there is none, so that each connection counts
            alone.

    Attributes:
        held: How many bytes it has.
    """

    __slots__ = ("_owner", "_unread", "held")

    def __init__(self, unread: Unread | None = None, owner: str = "") -> None:
        self._unread = unread
        self._owner: Hashable = owner or self
        self.held = 0

    @property
    def is_full(self) -> bool:
        """Whether its user should read before anything more is begun."""
        unread = self._unread
        # On the hot path: mostly everything is read.
        return unread is not None and unread.total > 0 and unread.is_full(self._owner)

    def take(self, size: int) -> None:
        """Count bytes that wait to be read; pair with `give_back`.

        Raises:
            ReaderTooSlow: There is no room for so many.
        """
        if self._unread is not None and size:
            self._unread.take(self._owner, size)
        self.held += size

    def add(self, size: int) -> None:
        """Count bytes for which there has to be room; pair with `give_back`."""
        if self._unread is not None and size:
            self._unread.add(self._owner, size)
        self.held += size

    def give_back(self, size: int) -> None:
        """Count bytes no longer; no more than the connection has."""
        size = min(size, self.held)
        self.held -= size
        if self._unread is not None and size:
            self._unread.give_back(self._owner, size)

    def close(self) -> None:
        """Count nothing any more of a connection that has ended."""
        self.give_back(self.held)

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count bytes in the block.

        Raises:
            ReaderTooSlow: There is no room for so many.
        """
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)
