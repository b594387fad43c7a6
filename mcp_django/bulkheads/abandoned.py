"""Coroutines that go on although they were cancelled, and are waited for no more."""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Coroutine, Generator
from typing import Any, Final, Protocol, TypeVar

from mcp_django.bulkheads.fair_threads import Held
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.steps import rest_of
from mcp_django.bulkheads.strays import ends_task

T = TypeVar("T")

logger = FaultLog("mcp_django.server")

_GRACE_SECONDS: Final = 1.0
"""What a coroutine gets to end once it is cancelled, as to close what it opened."""


class Described(Protocol):
    """What a coroutine is for, such as a request."""

    @property
    def owner(self) -> str | None:
        """The user it is for."""

    def describe(self) -> str:
        """Say what it is, for the log."""


_begun: Final[dict[asyncio.Task[None], tuple[Described, float]]] = {}
"""What goes on, and since when, in all event loops of the process."""


def held_by_abandoned() -> list[Held]:
    """Say what goes on although none waits for it."""
    now = time.monotonic()
    return [
        Held(one.describe(), one.owner, now - since, True)
        for one, since in list(_begun.values())
    ]


@types.coroutine
def stoppable(
    coroutine: Coroutine[Any, Any, T],
    waits_for: object,
    bound: asyncio.Timeout,
    about: Described,
) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine, but not for ever once its time is over.

    One that takes its cancellation for something else is cancelled a second time, and
    goes on in a task of its own.

    Args:
        coroutine: Has begun.
        waits_for: What its first `send` gave.
        bound: Cancels it.
        about: What it is for.
    """
    grace: _Grace | None = None
    try:
        while True:
            step: Any = coroutine.send
            given: Any = None
            try:
                given = yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                if grace is not None and grace.is_over:
                    _abandon(coroutine, error, about)
                    raise
                if grace is None and bound.expired():
                    grace = _Grace()
                step, given = coroutine.throw, error
            try:
                waits_for = step(given)
            except StopIteration as end:
                result: T = end.value
                return result
    finally:
        if grace is not None:
            grace.end()


class _Grace:
    """Cancels the task once more when the time to end is over."""

    def __init__(self) -> None:
        self.is_over = False
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_GRACE_SECONDS, self._cancel)

    def _cancel(self) -> None:
        self.is_over = True
        self._task.cancel()

    def end(self) -> None:
        """Take back what was not needed, or is over."""
        self._timer.cancel()
        if self.is_over:
            self._task.uncancel()


def _abandon(
    coroutine: Coroutine[Any, Any, Any], error: BaseException, about: Described
) -> None:
    task = asyncio.create_task(_go_on(coroutine, error))
    _begun[task] = about, time.monotonic()
    task.add_done_callback(_begun.pop)
    logger.warning(
        "%s goes on although it was cancelled, and is waited for no more; let it raise "
        "CancelledError again where it catches that",
        about.describe(),
        of=about.describe(),
    )


async def _go_on(coroutine: Coroutine[Any, Any, Any], error: BaseException) -> None:
    try:
        await _thrown_into(coroutine, error)
    except asyncio.CancelledError:
        pass  # It has ended at last.
    except BaseException as failure:
        if ends_task(failure):
            raise
        logger.exception("what went on although it was cancelled failed; see the error")


@types.coroutine
def _thrown_into(
    coroutine: Coroutine[Any, Any, T], error: BaseException
) -> Generator[Any, Any, T]:
    try:
        waits_for = coroutine.throw(error)
    except StopIteration as end:
        result: T = end.value
        return result
    return (yield from rest_of(coroutine, waits_for))
