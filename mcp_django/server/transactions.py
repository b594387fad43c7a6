"""Transactions around `def` handlers, for each database by itself, as Django's are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeAlias, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, transaction

T = TypeVar("T")

Atomic: TypeAlias = bool | str | Sequence[str]
"""True, False, or the aliases of databases; see `Server.tool`."""


def read_atomic(feature: str, atomic: object) -> bool | tuple[str, ...] | None:
    """Read what was given as `atomic=`.

    Args:
        feature: What it is for, for messages.
        atomic: What was given; None for nothing.

    Returns:
        Aliases as a tuple.

    Raises:
        ValueError: It is none of what it may be.
    """
    if isinstance(atomic, bool | None):
        return atomic
    given = [atomic] if isinstance(atomic, str) else atomic
    aliases = list(given) if isinstance(given, list | tuple) else []
    if not aliases or not all(isinstance(alias, str) and alias for alias in aliases):
        raise ValueError(
            f"{feature}: atomic must be True, False, the alias of a database or a list "
            f"of aliases, not {atomic!r}"
        )
    return tuple(dict.fromkeys(aliases))


def databases_of(
    atomic: bool | tuple[str, ...] | None, function: Callable[..., Any]
) -> Collection[str]:
    """Give the aliases of the databases that a handler has a transaction on.

    Args:
        atomic: As `read_atomic` gives it.
        function: The handler; `transaction.non_atomic_requests` may have marked it.
    """
    if isinstance(atomic, tuple):
        return atomic
    if atomic is False:
        return ()
    while isinstance(function, partial):
        function = function.func
    # As Django's own request handler looks at views.
    exempt = () if atomic else getattr(function, "_non_atomic_requests", ())
    aliases = [
        alias
        for alias, settings in connections.settings.items()
        if settings.get("ATOMIC_REQUESTS") and alias not in exempt
    ]
    if atomic and DEFAULT_DB_ALIAS not in aliases:
        aliases.append(DEFAULT_DB_ALIAS)
    return aliases


def run_in_transactions(aliases: Collection[str], function: Callable[[], T]) -> T:
    """Run a function in a transaction on each of some databases.

    They are rolled back if it raises, whatever; else committed one after the other.
    """
    if not aliases:
        return function()
    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(transaction.atomic(using=alias))
        return function()
