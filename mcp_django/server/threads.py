"""Threads for `def` handlers and for authentication: bounded, long-lived pools."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from django.db import close_old_connections

from mcp_django.conf import mcp_settings

T = TypeVar("T")

_is_in_pool: ContextVar[bool] = ContextVar("mcp_django_is_in_pool", default=False)


class ThreadPool:
    """Runs functions in at most so many threads, for any event loop.

    Django's database connections belong to a thread, so long-lived threads make
    persistent connections worth having. Each function is run between two calls of
    `close_old_connections`, in the caller's `contextvars` context.

    Args:
        name: Prefix of the threads' names.
        setting: Key of the `MCP` setting that says how many threads.
    """

    def __init__(self, name: str, setting: str) -> None:
        self._name = name
        self._setting = setting
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread and wait for it.

        When the caller is cancelled, a function that runs already runs on, and what
        it returns is dropped.
        """
        if _is_in_pool.get():
            # A thread of a pool waits for this. When all of them wait for another
            # one, none is left: so it is a thread more, for as long as that waits.
            return await anyio.to_thread.run_sync(
                _run, function, limiter=anyio.CapacityLimiter(1)
            )
        context = contextvars.copy_context()
        call_soon = _call_soon()
        is_done = anyio.Event()

        def wake(future: Future[T]) -> None:
            # The event loop may have ended before the function did. Whoever calls
            # this must not wait for the loop: it may have stopped, and a future that
            # is cancelled calls this in the loop's own thread.
            with contextlib.suppress(RuntimeError):
                call_soon(is_done.set)

        future = self._open().submit(context.run, _run, function)
        future.add_done_callback(wake)
        try:
            await is_done.wait()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def _open(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    getattr(mcp_settings, self._setting), thread_name_prefix=self._name
                )
            return self._executor


def _call_soon() -> Callable[[Callable[[], Any]], Any]:
    """Give what calls a function in the running event loop, without waiting for it."""
    loop: Any = anyio.lowlevel.current_token().native_token
    # anyio itself has only calls that wait.
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.call_soon_threadsafe
    call_soon: Callable[[Callable[[], Any]], Any] = loop.run_sync_soon
    return call_soon


def _run(function: Callable[[], T]) -> T:
    _is_in_pool.set(True)
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


handler_threads = ThreadPool("mcp-handler", "SYNC_WORKERS")
"""Where `def` handlers run."""

authentication_threads = ThreadPool("mcp-authentication", "AUTHENTICATION_WORKERS")
"""Where users are looked up: slow handlers must not keep anybody out."""
