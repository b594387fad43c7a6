"""How long a coroutine may take, at no cost for one that waits for nothing."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from mcp_django.bulkheads.abandoned import Described, stoppable
from mcp_django.bulkheads.threads import runs_asyncio

T = TypeVar("T")


class Late(Exception):
    """A coroutine took longer than it may; not a `TimeoutError` of its own.

    Args:
        goes_on: Whether it does so although it was cancelled.
    """

    def __init__(self, *, goes_on: bool = False) -> None:
        super().__init__()
        self.goes_on = goes_on


async def within(
    seconds: float, coroutine: Coroutine[Any, Any, T], about: Described
) -> T:
    """Await a coroutine, and cancel it if it takes too long.

    The clock runs from when it first waits: before, nothing could stop it. A coroutine
    that catches its cancellation, and returns something soon, was in time. One that
    goes on is abandoned under asyncio; trio would not let it.

    Args:
        seconds: How long it may take.
        coroutine: What to await.
        about: What it is for.

    Raises:
        Late: It took longer; the cause says where it was.
    """
    if not runs_asyncio():
        with anyio.move_on_after(seconds):
            return await coroutine
        raise Late
    # Not a scope of anyio's, which would have to begin before those of the coroutine.
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:  # on the hot path: most wait for nothing
        value: T = end.value
        return value
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            return await stoppable(coroutine, waits_for, bound, about)
    except TimeoutError as error:
        if bound.expired():
            goes_on = inspect.getcoroutinestate(coroutine) != inspect.CORO_CLOSED
            raise Late(goes_on=goes_on) from error
        raise
