"""What code of the site decides: waited for, and taken as yes only if it can be no."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeAlias

from django.db.models import Model

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.services import Inquiry, Service
from mcp_django.bulkheads.strays import stray_of

Lend: TypeAlias = Callable[[], AbstractContextManager[object]]


class SaysNothing(TypeError):
    """A function that decides returned neither yes nor no."""


async def ask_in_thread(
    service: Service | Inquiry,
    function: Callable[[], Any],
    run: Callable[[Callable[[], Any]], Awaitable[Any]],
    *,
    lend: Lend = nullcontext,
    within: float = math.inf,
    is_suspect: bool = False,
) -> Any:
    """Call code of the site in a thread, and await what it returns, within a bound.

    Args:
        service: Says how long it may take.
        function: What to call.
        run: Runs a function in a thread.
        lend: Lends a thread to what is awaited.
        within: Seconds, if it must not take as long as it may.
        is_suspect: As for `Service.ask`.

    Raises:
        ServiceAway: It does not answer, or a database that it asks does not.
        Exception: It failed.
    """

    has_begun = False

    def call() -> Any:
        nonlocal has_begun
        has_begun = True
        return function()

    async def ask() -> Any:
        found = await databases.ask_in_thread(run, call)
        return await settle(found, lend)

    return await service.ask(
        partial(databases.ask, ask),
        within=within,
        is_suspect=is_suspect,
        has_begun=lambda: has_begun,
    )


async def settle(found: Any, lend: Lend) -> Any:
    """Await what a function of the site returned, for as long as it is an awaitable.

    Whether a function is `async def` cannot always be seen: lambdas, decorators and
    callable objects pass on what another one returned.

    Args:
        found: What it returned.
        lend: Lends a thread to what is awaited, for the async ORM.

    Raises:
        Stray: The function raised what would end more than its request.
    """
    if not inspect.isawaitable(found):
        return found
    try:
        with lend():
            while inspect.isawaitable(found):
                found = await found
    except BaseException as error:
        stray = stray_of(error)
        if stray is None:
            raise
        raise stray from error
    return found


def truth_of(found: Any) -> bool:
    """Say whether what a function of the site returned means yes.

    Args:
        found: Settled already.

    Raises:
        SaysNothing: It is of a kind that is true whatever it holds, such as a function
            that was not called, a generator or an exception.
    """
    if isinstance(found, bool):
        return found
    if not _says_something(found):
        raise SaysNothing(
            f"it returned {type(found).__name__!r}, which is always true and says "
            "nothing; return True or False"
        )
    return bool(found)


def _says_something(found: Any) -> bool:
    if found is NotImplemented or inspect.isawaitable(found):
        return False
    if isinstance(found, tuple):  # such as False and why
        return False
    if isinstance(found, list | set | frozenset) and any(
        map(inspect.isawaitable, found)
    ):
        return False
    # Of a row, as `.first()` gives it, None would have been the other answer.
    return (
        hasattr(type(found), "__bool__")
        or hasattr(type(found), "__len__")
        or isinstance(found, Model)
    )
