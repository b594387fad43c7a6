"""The end of the process: Daphne ends on a signal and tells applications late."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

logger = logging.getLogger("mcp_django.sessions")

_TIMEOUT = 1.0


def call_before_shutdown(close: Callable[[], Awaitable[None]]) -> None:
    """Call a coroutine function when Daphne begins to shut down, and wait for it.

    Under another server nothing is arranged: it cancels its applications, which end
    their streams themselves.

    Daphne cancels its applications right before; they hear of it after `close` was
    called, and before what that returned is awaited.

    Args:
        close: Called once, in the event loop; what it returns is given a second.
    """
    # Importing the reactor would install one.
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not getattr(reactor, "running", False):
        return
    # Daphne runs, so that Twisted is there; other servers do not have to have it.
    from twisted.internet.defer import Deferred

    async def wait_in_time(closing: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                await closing
        except Exception:
            logger.exception("closing before the shutdown failed")

    def begin() -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(wait_in_time(close())))

    reactor.addSystemEventTrigger("before", "shutdown", begin)
