"""What code of the site raises that would end more than the request it runs for.

`StopIteration` cannot leave a thread, `SystemExit` and `KeyboardInterrupt` end the
event loop, `GeneratorExit` and a cancellation that nobody asked for end a task without
a word. Where code of the site is called, each becomes an error like others.
"""

from __future__ import annotations

import asyncio
import logging

import anyio
from django.dispatch import Signal

from mcp_django.server.asking import questions_of
from mcp_django.server.errors import Stray

logger = logging.getLogger("mcp_django.server")


def stray_of(error: BaseException, *, in_thread: bool = False) -> Stray | None:
    """Give what to raise in place of what code of the site raised.

    Args:
        error: What it raised, or what was thrown into it.
        in_thread: Whether it ran in a thread of its own, where nobody throws anything.

    Returns:
        The error to raise instead; None to let it pass: an `Exception`, questions to
        the client, the end of the task that runs the code.
    """
    is_error = isinstance(error, Exception)
    if is_error and not isinstance(error, StopIteration | StopAsyncIteration):
        return None
    if questions_of(error) is not None or (not in_thread and _ends_task(error)):
        return None
    return Stray(f"{type(error).__qualname__} was raised, which is no error")


def send_to_all(signal: Signal, sender: object) -> None:
    """Send a signal of Django's that tells of a failure, whatever receivers raise."""
    try:
        # It logs what errors receivers raise.
        signal.send_robust(sender=sender, request=None)
    except BaseException as error:
        if stray_of(error) is None:
            raise
        logger.error("a receiver of a signal failed", exc_info=error)


def _ends_task(error: BaseException) -> bool:
    """Say whether this ends the running task, and was not raised by what it runs."""
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
