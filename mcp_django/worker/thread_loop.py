"""An event loop in a thread of its own, for a process whose server has none.

Servers of WSGI call one function for each request, in whichever thread. What they
bring runs in one event loop, so that the process has one worker as under ASGI:
credentials are kept, outages are remembered, and other workers find the calls that run
here.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.worker.worker import current_worker

logger = FaultLog("mcp_django.worker")

T = TypeVar("T")

_CLOSING_SECONDS: Final = 1.0
"""For what is left when running calls have had their time."""

_lock: Final = threading.Lock()
_running: Final[dict[int, tuple[asyncio.AbstractEventLoop, threading.Thread]]] = {}
"""Event loops and their threads by the id of their process: a fork has none of its
parent's threads."""


def run_in_thread_loop(
    coroutine: Coroutine[Any, Any, T],
) -> concurrent.futures.Future[T]:
    """Run a coroutine in the event loop of this process's thread for that.

    The thread starts with the first one, and lives as long as the process.
    """
    with _lock:
        running = _running.get(os.getpid())
        if running is None:
            running = _running[os.getpid()] = _start()
    return asyncio.run_coroutine_threadsafe(coroutine, running[0])


def end_thread_loop() -> None:
    """End the event loop, if there is one, and wait for that; such as after a test."""
    with _lock:
        running = _running.pop(os.getpid(), None)
    if running is None:
        return
    loop, thread = running
    atexit.unregister(_end)
    _end(loop, os.getpid())
    cancelling = asyncio.run_coroutine_threadsafe(_cancel_others(), loop)
    cancelling.result(_CLOSING_SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _start() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mcp-loop", daemon=True)
    thread.start()
    atexit.register(_end, loop, os.getpid())
    return loop, thread


def _end(loop: asyncio.AbstractEventLoop, pid: int) -> None:
    """Let what runs come to its end, and say farewell to other workers."""
    if os.getpid() != pid:  # a fork, in which the thread is not
        return
    ending = asyncio.run_coroutine_threadsafe(_close(), loop)
    with contextlib.suppress(TimeoutError):
        ending.result(mcp_settings.SHUTDOWN_SECONDS + _CLOSING_SECONDS)


async def _close() -> None:
    try:
        await current_worker().close_all()
    except Exception:  # such as a channel layer that is away
        logger.exception("the worker could not be closed; see the error")


async def _cancel_others() -> None:
    """Cancel what still runs, such as what is being told to other workers."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
