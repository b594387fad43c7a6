"""One more for a user who has all that a user may have: what is dead makes way.

A client whose network is gone says nothing. Its streams look open, and count, until the
system gives up on them: that takes a quarter of an hour, and behind a proxy for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from mcp_django.conf import mcp_settings
from mcp_django.sessions.registry import OpenSession
from mcp_django.worker.connections import Kind, OpenConnection, close
from mcp_django.worker.worker import Worker

logger = logging.getLogger("mcp_django.worker")


async def make_way(worker: Worker, owner: str, kind: Kind) -> None:
    """End something of a user, if there is something that nobody may miss.

    In this order: what takes nothing of what it is sent; sessions over HTTP+SSE whose
    client answers no ping; the stream of which nothing was heard for longest, whose
    client can open it again.

    Args:
        worker: Where it is open.
        owner: Names the user.
        kind: What they want one more of.
    """
    connections = worker.connections
    mine = connections.of(owner, kind)
    stuck = max(mine, key=lambda each: each.unread_seconds, default=None)
    if stuck is not None and stuck.unread_seconds >= mcp_settings.MAX_FULL_SECONDS:
        logger.warning("a connection makes way: its client takes nothing")
        await connections.end([stuck], lambda each: each.abort())
    elif kind == "stream":
        deaf = await _deaf(worker, owner)
        if deaf:
            logger.warning("a session makes way: its client does not answer")
            await connections.end(deaf, close)
        elif quiet := _quietest(mine):
            logger.info("a stream makes way for a newer one of its user")
            await connections.end([quiet], close)


def _quietest(mine: Sequence[OpenConnection]) -> OpenConnection | None:
    """Give the stream of which nothing was heard for longest, if that is long."""
    quietest = max(mine, key=lambda each: each.silent_seconds, default=None)
    if quietest is None or quietest.silent_seconds < mcp_settings.MAX_HELD_SECONDS:
        return None
    return quietest


async def _deaf(worker: Worker, owner: str) -> Sequence[OpenSession]:
    """Ask the clients of sessions that were silent for long, and give the deaf."""
    silent = [
        opened
        for opened in worker.registry
        if opened.identity.owner == owner
        and opened.transport.heard_seconds_ago >= mcp_settings.MAX_HELD_SECONDS
    ]
    if not silent:
        return []
    deaf = []

    async def ask(opened: OpenSession) -> None:
        if not await opened.transport.is_heard(mcp_settings.ROOM_TIMEOUT):
            deaf.append(opened)

    async with anyio.create_task_group() as tasks:
        for opened in silent:
            tasks.start_soon(ask, opened)
    return deaf
