"""What code of others raises that would end more than what it runs for.

`StopIteration` cannot leave a thread, `SystemExit` and `KeyboardInterrupt` end the
event loop, `GeneratorExit` and a cancellation that was not asked for end a task without
a word. Code that catches all that such code raises lets pass what `ends_task`, and
nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec

import anyio

from mcp_django.bulkheads.fault_log import FaultLog

Parameters = ParamSpec("Parameters")


class Deliberate(BaseException):
    """Ends what it is raised in on purpose, as questions to the client do: no stray."""


class Stray(RuntimeError):
    """Stands for what would end more than a request; that is its cause."""

    @classmethod
    def of(cls, error: BaseException) -> Stray:
        """Say what stands for this."""
        return cls(f"{type(error).__qualname__} was raised, which is no error")


def stray_of(error: BaseException, *, in_thread: bool = False) -> Stray | None:
    """Give what to raise in place of what code of the site raised.

    Args:
        error: What it raised, or what was thrown into it.
        in_thread: Whether it ran in a thread of its own, into which nothing is thrown.

    Returns:
        The error to raise instead; None to let it pass: an `Exception`, what is
        deliberate, the end of the task that runs the code.
    """
    is_error = isinstance(error, Exception)
    if is_error and not isinstance(error, StopIteration | StopAsyncIteration):
        return None
    if _is_deliberate(error) or (not in_thread and ends_task(error)):
        return None
    return Stray.of(error)


def _is_deliberate(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # as task groups make one
        return all(map(_is_deliberate, error.exceptions))
    return isinstance(error, Deliberate)


def error_of(error: BaseException) -> Exception:
    """Give an error that can be passed on: this one, or what stands for it.

    Iterations end by errors that futures and coroutines cannot carry.
    """
    ends_iteration = isinstance(error, StopIteration | StopAsyncIteration)
    if isinstance(error, Exception) and not ends_iteration:
        return error
    stray = Stray.of(error)
    stray.__cause__ = error
    return stray


def contained(
    function: Callable[Parameters, object], logger: FaultLog, what: str
) -> Callable[Parameters, None]:
    """Wrap a function that is told something, so that its failure is only logged.

    Args:
        function: Not `async def`.
        logger: Gets what it raises.
        what: Names it, such as "on_close".
    """

    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except BaseException:  # nothing is awaited, and nothing thrown in
            logger.exception("%s failed", what, of=what)

    return call


def ends_task(error: BaseException) -> bool:
    """Say whether this ends the running task, and was not raised by what it runs."""
    if isinstance(error, Exception):
        return False
    try:
        anyio.get_current_task()
    except RuntimeError:  # the event loop has ended, and what is left is cleared away
        return True
    if not isinstance(error, anyio.get_cancelled_exc_class()):
        return False
    if not isinstance(error, asyncio.CancelledError):  # trio's cannot be made by others
        return True
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0 or _is_in_cancelled_scope()


def _is_in_cancelled_scope() -> bool:
    return anyio.current_effective_deadline() == -float("inf")
