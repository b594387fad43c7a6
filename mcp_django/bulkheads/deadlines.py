"""How long a coroutine may take, at no cost for one that waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from mcp_django.bulkheads.steps import rest_of
from mcp_django.bulkheads.threads import runs_asyncio

T = TypeVar("T")


class Late(Exception):
    """A coroutine took longer than it may; not a `TimeoutError` of its own."""


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine, and cancel it if it takes too long.

    The clock runs from when it first waits: before, nothing could stop it. A coroutine
    that catches its cancellation, and returns something, was in time.

    Args:
        seconds: How long it may take.
        coroutine: What to await.

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
            return await rest_of(coroutine, waits_for)
    except TimeoutError as error:
        if bound.expired():
            raise Late from error
        raise
