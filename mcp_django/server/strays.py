"""What code of the site raises, in a form that ends its request and nothing else."""

from __future__ import annotations

from mcp_django.bulkheads.strays import Stray, ends_task
from mcp_django.server.asking import questions_of


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
    if questions_of(error) is not None or (not in_thread and ends_task(error)):
        return None
    return Stray.of(error)
