"""A bounded queue between tasks, which need not be closed."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Queue(Generic[T]):
    """Hands items from many tasks to one, in order.

    Args:
        max_items: Items that may wait.
    """

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: deque[T] = deque()
        self._has_items = anyio.Event()
        self._has_room = anyio.Event()

    def __len__(self) -> int:
        """Count the items that wait."""
        return len(self._items)

    async def put(self, item: T) -> None:
        """Add an item; waits while there is no room."""
        while not self.put_nowait(item):
            if self._has_room.is_set():
                self._has_room = anyio.Event()
            await self._has_room.wait()

    def put_nowait(self, item: T) -> bool:
        """Add an item if there is room, and say whether there was."""
        if len(self._items) >= self._max_items:
            return False
        self._items.append(item)
        self._has_items.set()
        return True

    async def get(self) -> T:
        """Wait for the next item; in one task only."""
        while not self._items:
            if self._has_items.is_set():
                self._has_items = anyio.Event()
            await self._has_items.wait()
        item = self._items.popleft()
        self._has_room.set()
        return item
