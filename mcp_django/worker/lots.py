"""Going over all that is open, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

LOT: Final = 100
"""What takes a fraction of a millisecond, also where each of them costs something."""


async def in_lots(things: Iterable[T]) -> AsyncIterator[Sequence[T]]:
    """Give many things some at a time, and others the event loop in between.

    So no client waits for all of them, however many there are. They are those that
    there were at the beginning, and may be gone meanwhile.
    """
    every = list(things)
    for first in range(0, len(every), LOT):
        yield every[first : first + LOT]
        await asyncio.sleep(0)
