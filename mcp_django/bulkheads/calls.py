"""Calls that run in threads, whose callers hear of them when their thread is free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from mcp_django.bulkheads.strays import error_of

T = TypeVar("T")


class Outcome(Protocol):
    """What is told what comes of a call, by its thread.

    That is a `concurrent.futures.Future`, where others want one, or an `Awaited`.
    """

    def set_running_or_notify_cancel(self) -> bool:
        """Note that the call begins; False if its caller was cancelled."""

    def set_result(self, value: Any, /) -> None:
        """Tell what the function returned."""

    def set_exception(self, error: BaseException, /) -> None:
        """Tell what the function raised."""


class AwaitedFuture(asyncio.Future[T]):
    """A future that says at once when it is cancelled.

    Attributes:
        on_cancel: Called then.
    """

    on_cancel: Callable[[], None]

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it, unless it is done."""
        is_cancelled = super().cancel(msg)
        if is_cancelled:
            self.on_cancel()
        return is_cancelled


class Awaited(Generic[T]):
    """What a task awaits, and nothing else can: of all outcomes the cheapest.

    Attributes:
        future: What the task awaits, in its event loop.
    """

    __slots__ = ("_loop", "future")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: AwaitedFuture[T] = AwaitedFuture(loop=self._loop)

    def set_running_or_notify_cancel(self) -> bool:
        """Note that the call begins; False if its caller was cancelled."""
        return not self.future.done()

    def set_result(self, value: T) -> None:
        """Tell what the function returned."""
        self._tell(self.future.set_result, value)

    def set_exception(self, error: BaseException) -> None:
        """Tell what the function raised."""
        self._tell(self.future.set_exception, error)

    def _tell(self, settle: Callable[[Any], None], what: Any) -> None:
        try:  # noqa: SIM105 - on the hot path
            self._loop.call_soon_threadsafe(self._settle, settle, what)
        except RuntimeError:  # the event loop has ended
            pass

    def _settle(self, settle: Callable[[Any], None], what: Any) -> None:
        if not self.future.done():
            settle(what)


class Call:
    """One call of a function in a thread.

    Args:
        function: What to call.
        owner: For which user; None for no particular one.
        outcome: Is told what comes of it.
    """

    __slots__ = ("_function", "outcome", "owner")

    def __init__(
        self, function: Callable[[], Any], owner: str | None, outcome: Outcome
    ) -> None:
        self._function = function
        self.owner = owner
        self.outcome = outcome

    def run(self) -> Callable[[], None]:
        """Call the function, unless its caller was cancelled.

        Returns:
            What tells the caller. First the thread is to be let go: then a caller that
            hears of the end, and comes with the next call, finds this very thread.
        """
        if not self.outcome.set_running_or_notify_cancel():
            return _do_nothing
        try:
            value = self._function()
        except (StopIteration, GeneratorExit) as error:
            # No future can carry the one: the caller would wait for ever. The other,
            # raised where a coroutine waits, closes it.
            return partial(self.outcome.set_exception, error_of(error))
        except BaseException as error:
            return partial(self.outcome.set_exception, error)
        return partial(self.outcome.set_result, value)


def _do_nothing() -> None:
    pass
