"""Threads for `def` handlers and for authentication: bounded, long-lived pools."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel
from django.db import close_old_connections

from mcp_django.conf import mcp_settings

T = TypeVar("T")


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
        context = contextvars.copy_context()
        token = anyio.lowlevel.current_token()
        is_done = anyio.Event()

        def wake(future: Future[T]) -> None:
            # The event loop may have ended before the function did.
            with contextlib.suppress(RuntimeError):
                anyio.from_thread.run_sync(is_done.set, token=token)

        future = self._open().submit(context.run, _with_connections, function)
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


def _with_connections(function: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


handler_threads = ThreadPool("mcp-handler", "SYNC_WORKERS")
"""Where `def` handlers run."""

authentication_threads = ThreadPool("mcp-authentication", "AUTHENTICATION_WORKERS")
"""Where users are looked up: slow handlers must not keep anybody out."""
