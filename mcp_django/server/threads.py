"""Threads for `def` handlers and for authentication: bounded, long-lived pools."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.lowlevel import EventLoopToken, RunVar, current_token
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.utils import timezone, translation

from mcp_django.conf import mcp_settings
from mcp_django.server.strays import stray_of

T = TypeVar("T")

_is_in_pool: ContextVar[bool] = ContextVar("mcp_django_is_in_pool", default=False)


class ThreadPool:
    """Runs functions in at most so many threads.

    Django's database connections belong to a thread, so long-lived threads make
    persistent connections worth having. Each function is run between two calls of
    `close_old_connections`, in the caller's context: its `contextvars`, and what
    Django keeps there, such as the language. Under trio, which has no Django of its
    own, anyio's threads are used.

    Args:
        name: Prefix of the threads' names.
        setting: Key of the `MCP` setting that says how many threads.
    """

    def __init__(self, name: str, setting: str) -> None:
        self._name = name
        self._setting = setting
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._limiter: RunVar[anyio.CapacityLimiter | None] = RunVar(name)

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread and wait for it.

        When the caller is cancelled, a function that runs already runs on, and what
        it returns is dropped.

        Raises:
            Stray: The function raised what threads or tasks cannot carry, such as
                `StopIteration` or `SystemExit`.
        """
        if _is_in_pool.get():
            # A thread of a pool waits for this. When all of them wait for another
            # one, none is left: so it is a thread more, for as long as that waits.
            return await anyio.to_thread.run_sync(
                _run, carrying(function), limiter=anyio.CapacityLimiter(1)
            )
        if _is_asyncio():
            # Not thread sensitive: what asgiref means by that is one thread for all.
            # Only asgiref carries Django's own context, such as the language, over.
            in_thread = sync_to_async(
                _run, thread_sensitive=False, executor=self._open()
            )
            return await in_thread(function)
        return await anyio.to_thread.run_sync(
            _run, carrying(function), limiter=self._limit(), abandon_on_cancel=True
        )

    def wait_for(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        *arguments: Any,
        token: EventLoopToken,
    ) -> T:
        """Run a coroutine function in the event loop, and wait for it in the thread.

        Args:
            function: What to run; may use `run` in its turn.
            arguments: Of the function, by position.
            token: Names the event loop.

        Raises:
            RuntimeError: This is the event loop, which would wait for itself.
        """
        if _is_in_loop(token):
            raise RuntimeError(
                "a SyncContext waits for the event loop, so that it cannot be used in "
                "it; take a Context"
            )
        language, zone = translation.get_language(), timezone.get_current_timezone()

        async def run() -> T:
            with translation.override(language), timezone.override(zone):
                return await function(*arguments)

        return anyio.from_thread.run(run, token=token)

    def _limit(self) -> anyio.CapacityLimiter:
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = anyio.CapacityLimiter(getattr(mcp_settings, self._setting))
            self._limiter.set(limiter)
        return limiter

    def _open(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    getattr(mcp_settings, self._setting), thread_name_prefix=self._name
                )
            return self._executor


def _is_asyncio() -> bool:
    token = current_token().native_token
    return isinstance(token, asyncio.AbstractEventLoop)


def _is_in_loop(token: EventLoopToken) -> bool:
    try:
        return current_token() == token
    except RuntimeError:  # no event loop runs in this thread
        return False


def carrying(function: Callable[[], T]) -> Callable[[], T]:
    """Let a function find the caller's language and time zone in another thread.

    Of what Django keeps for a caller, only asgiref carries all over by itself.
    """
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def run() -> T:
        with translation.override(language), timezone.override(zone):
            return function()

    return run


def _run(function: Callable[[], T]) -> T:
    # Set back at the end, because asgiref gives the context back to the caller.
    _is_in_pool.set(True)
    close_old_connections()
    try:
        return function()
    except BaseException as error:
        stray = stray_of(error, in_thread=True)
        if stray is None:
            raise
        raise stray from error
    finally:
        close_old_connections()
        _is_in_pool.set(False)


handler_threads = ThreadPool("mcp-handler", "SYNC_WORKERS")
"""Where `def` handlers run."""

authentication_threads = ThreadPool("mcp-authentication", "AUTHENTICATION_WORKERS")
"""Where users are looked up: slow handlers must not keep anybody out."""
