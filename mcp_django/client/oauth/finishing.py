"""Ends what must not be left half done: tokens that were given have to be kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

T = TypeVar("T")

AFTERWARDS_SECONDS: Final = 5.0
"""How long a task that was cancelled goes on to its end."""


async def finished(work: Callable[[], Awaitable[T]]) -> T:
    """Run work to its end, for which it has some seconds once the task is cancelled.

    A refresh token that was used is gone, and so is a code: if a call that ran out of
    time took the answer with it, the user would have to log in again.

    Args:
        work: What to run; its exception is raised as it is.
    """
    results: list[T] = []
    failures: list[Exception] = []
    is_over = anyio.Event()
    protected = anyio.CancelScope(shield=True)

    async def run() -> None:
        with protected:
            try:
                results.append(await work())
            except Exception as error:  # For the task that waits.
                failures.append(error)
        is_over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            await is_over.wait()
        finally:
            protected.deadline = anyio.current_time() + AFTERWARDS_SECONDS
    for failure in failures:
        raise failure
    return results[0]
