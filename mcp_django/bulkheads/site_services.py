"""What asks code of the site, such as a permission, made once for each such code."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec

from django.core.signals import setting_changed
from django.dispatch import receiver

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.faults import says_away
from mcp_django.bulkheads.services import Service

Parameters = ParamSpec("Parameters")

_forgets: list[Callable[[], None]] = []


def service_of_site(
    name: str,
    effect: str,
    *,
    timeout: Callable[[], float],
    shown_as: str = "",
    logger: FaultLog,
) -> Service:
    """Make what asks code of the site, which may ask databases.

    What it raises is its answer, unless that says that something is away.
    """
    return Service(
        name,
        effect,
        timeout=timeout,
        faults=says_away,
        is_excused=databases.are_away,
        shown_as=shown_as,
        logger=logger,
    )


def kept(make: Callable[Parameters, Service]) -> Callable[Parameters, Service]:
    """Let a function make each service once, until `MCP` changes, as in tests."""
    made = cache(make)
    _forgets.append(made.cache_clear)
    return made  # type: ignore[return-value]  # typeshed forgets the parameters


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "MCP":
        for forget in _forgets:
            forget()
