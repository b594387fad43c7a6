"""The end of the process: what Daphne does on a signal, and what must not stop it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from mcp_django.conf import mcp_settings

logger = logging.getLogger("mcp_django.sessions")

_CLOSING_SECONDS: Final = 1.0
"""For what is closed because its time is over."""

_APPLICATIONS_SECONDS: Final = 0.25
"""For what applications do after their last words, such as middleware."""

_LEAVING_SECONDS: Final = 1.0
"""For the interpreter, which waits for threads that are not ours."""

_closers: Final[dict[asyncio.AbstractEventLoop, Callable[[], Awaitable[None]]]] = {}


class _Arrangement:
    """Whether Twisted knows of us already."""

    is_made: bool = False


def arrange() -> None:
    """Ask to be called when Daphne begins to shut down, before it cancels anything.

    To be called before Daphne runs: Twisted calls in the order in which it was asked.
    Under another server nothing is arranged: it cancels its applications, which end
    their streams themselves.
    """
    # Importing the reactor would install one.
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and not _Arrangement.is_made:
        _Arrangement.is_made = True
        reactor.addSystemEventTrigger("before", "shutdown", _begin)


def call_before_shutdown(close: Callable[[], Awaitable[None]]) -> None:
    """Call a coroutine function when Daphne begins to shut down, and wait for it.

    Args:
        close: Called at most once, in the event loop that runs now; what it returns is
            given `MCP["SHUTDOWN_SECONDS"]`, and a second.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and getattr(reactor, "running", False):
        _closers[asyncio.get_running_loop()] = close
        arrange()


def _begin() -> Any:
    """Begin the end of the process; a Deferred, for which Twisted waits."""
    close = _closers.pop(asyncio.get_running_loop(), None)
    if close is None:
        return None
    # Daphne runs, so that Twisted is there; other servers do not have to have it.
    from twisted.internet.defer import Deferred

    _end_by_force_after(
        mcp_settings.SHUTDOWN_SECONDS + _CLOSING_SECONDS + _LEAVING_SECONDS
    )
    servers = list(_daphnes())
    _spare_applications(servers)
    return Deferred.fromFuture(asyncio.ensure_future(_close(close(), servers)))


async def _close(closing: Awaitable[None], servers: list[Any]) -> None:
    try:
        async with asyncio.timeout(mcp_settings.SHUTDOWN_SECONDS + _CLOSING_SECONDS):
            await closing
    except TimeoutError:
        # Tasks that take no cancellation for an answer; with them, interpreters crash.
        sys.modules["twisted.internet.reactor"].addSystemEventTrigger(
            "after", "shutdown", end_now
        )
    except Exception:
        logger.exception("closing before the shutdown failed")
    await _wait_for_applications(servers)
    for server in servers:
        # What Daphne was kept from until now.
        server.kill_all_applications()


async def _wait_for_applications(servers: list[Any]) -> None:
    """Let those end by themselves whose connections we have just closed."""
    applications = [
        details["application_instance"]
        for server in servers
        for details in server.connections.values()
        if "application_instance" in details
    ]
    if applications:
        await asyncio.wait(applications, timeout=_APPLICATIONS_SECONDS)


def _daphnes() -> Iterator[Any]:
    """Give the servers of Daphne that listen."""
    reactor, daphne = (
        sys.modules.get(name) for name in ("twisted.internet.reactor", "daphne.server")
    )
    if reactor is None or daphne is None:
        return
    for reader in reactor.getReaders():
        factory = getattr(reader, "factory", None)
        factory = getattr(factory, "wrappedFactory", factory)  # behind TLS
        server = getattr(factory, "server", None)
        if isinstance(server, daphne.Server):
            yield server


def _spare_applications(servers: list[Any]) -> None:
    """Let Daphne, which is called right after us, find no application to cancel."""
    spared = [
        (details, details["application_instance"])
        for server in servers
        for details in server.connections.values()
        if "application_instance" in details
    ]
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    ended.set_result(None)
    for details, _ in spared:
        details["application_instance"] = ended

    def restore() -> None:
        for details, application in spared:
            details["application_instance"] = application

    loop.call_soon(restore)


def _end_by_force_after(seconds: float) -> None:
    """End the process then, if it is still there: others' threads may hold it up."""

    def end() -> None:
        threads = [
            thread.name
            for thread in threading.enumerate()
            if not thread.daemon and thread is not threading.main_thread()
        ]
        held_up_by = ", ".join(threads) or "its main thread"
        logger.warning("the end of the process is held up by %s; it ends", held_up_by)
        end_now()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def end_now() -> None:
    """End the process at once, whatever runs."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(0)
