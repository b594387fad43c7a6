"""What runs when a process ends: it gets some time, and what is left is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from mcp_django.bulkheads.fair_threads import Held
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.shortages import summary_of
from mcp_django.bulkheads.threads import held_by_handlers
from mcp_django.server.receivers import has_some_to_tell
from mcp_django.server.requests import Request
from mcp_django.worker.connections import Connections

logger = FaultLog("mcp_django.worker")

_LOOK_SECONDS: Final = 0.05


async def finish_running(connections: Connections, seconds: float) -> None:
    """Wait until nothing is open, no handler runs and all is told, at most so long.

    Also for `def` handlers that no request awaits any more: they may be in the middle
    of something. What runs on is said in the log.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    # Threads say nothing when they end, so that this looks now and then.
    while len(connections) or held_by_handlers() or has_some_to_tell():
        if loop.time() >= deadline:
            say_what_process_leaves(connections)
            return
        await asyncio.sleep(min(_LOOK_SECONDS, seconds))


def say_what_process_leaves(connections: Connections) -> None:
    """Say in the log which calls are broken off at the end of the process."""
    running = [one for each in connections for one in each.running]
    say_what_is_left("the process ends", running)


def say_what_is_left(why: str, running: Iterable[Request]) -> None:
    """Say in the log which calls are broken off, if there are any.

    Args:
        why: A clause.
        running: The requests that are not answered.
    """
    left = [Held(one.describe(), one.owner, None, False) for one in running]
    # Those that a request waits for are named by it.
    left += [held for held in held_by_handlers() if held.is_given_up]
    if left:
        logger.warning(
            "%s, and %d %s not over: %s",
            why,
            len(left),
            "call is" if len(left) == 1 else "calls are",
            summary_of(left),
        )
