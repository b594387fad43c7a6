"""One more for a user who has all that a user may have: what is dead makes way.

A client whose network is gone says nothing. Its streams look open, and count, until the
system gives up on them: that takes a quarter of an hour, and behind a proxy for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.worker.connections import (
    Connections,
    Kind,
    OpenConnection,
    abort,
    close,
)

logger = FaultLog("mcp_django.worker")

_close = partial(close, why="unresponsive")


async def make_way(connections: Connections, owner: str, kind: Kind) -> None:
    """End something of a user, if there is something that no client will miss.

    In this order: what takes nothing of what it is sent; sessions over HTTP+SSE whose
    client answers no ping; the stream of which nothing was heard for longest, whose
    client can open it again.

    Args:
        connections: All that is open.
        owner: Names the user.
        kind: What they want one more of.
    """
    mine = connections.of(owner, kind)
    stuck = max(mine, key=lambda each: each.unread_seconds, default=None)
    if stuck is not None and stuck.unread_seconds >= mcp_settings.MAX_FULL_SECONDS:
        logger.warning(
            "a connection makes way, as its client takes nothing; it is "
            "gone, or connects again"
        )
        await connections.end([stuck], abort)
    elif kind == "stream":
        deaf = await _deaf(mine)
        if deaf:
            logger.warning(
                "a session makes way, as its client does not answer; it is "
                "gone, or connects again"
            )
            await connections.end(deaf, _close)
        elif quiet := _quietest(connections.of(owner, kind)):
            logger.info("a stream makes way for a newer one of its user")
            await connections.end([quiet], _close)


def _quietest(mine: Sequence[OpenConnection]) -> OpenConnection | None:
    """Give the stream of which nothing was heard for longest, if that is long."""
    quietest = max(mine, key=lambda each: each.silent_seconds, default=None)
    if quietest is None or quietest.silent_seconds < mcp_settings.MAX_HELD_SECONDS:
        return None
    return quietest


async def _deaf(mine: Sequence[OpenConnection]) -> Sequence[OpenConnection]:
    """Ask all clients at once whether they are there, and give those that are not."""
    deaf = []

    async def ask(connection: OpenConnection) -> None:
        if await connection.is_deaf():
            deaf.append(connection)

    async with anyio.create_task_group() as tasks:
        for connection in mine:
            tasks.start_soon(ask, connection)
    return deaf
