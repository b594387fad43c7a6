"""Running handlers on the thread of the test, as if it had called them itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

from anyio.lowlevel import EventLoopToken, current_token
from asgiref.sync import async_to_sync, sync_to_async

from mcp_django.bulkheads.lent_threads import LentThreads, Owned
from mcp_django.bulkheads.threads import ThreadPool

T = TypeVar("T")


class NothingLent(LentThreads):
    """Lends no thread: what the async ORM does is run on that of the test as well."""

    def __init__(self) -> None:
        super().__init__("mcp-test-async", lambda: 1)

    def run(self, owned: Owned | None = None) -> AbstractContextManager[None]:
        """Give a block in which nothing is lent."""
        return nullcontext()


class CallersThread(ThreadPool):
    """Runs functions on the thread that waits for the event loop: the test's own.

    So they are in its transaction, and its database connection counts their queries.
    Where no thread waits, as in async tests of pytest, it is the one thread that
    Django's async ORM uses. Under trio, which has no Django of its own, it is a pool.
    """

    def __init__(self) -> None:
        super().__init__("mcp-test", "SYNC_WORKERS", purpose="tests")
        self.lent = NothingLent()

    async def run(
        self,
        function: Callable[[], T],
        *,
        owner: str | None = None,
        what: Callable[[], str] | None = None,
    ) -> T:
        """Run a function on that thread and wait for it."""
        if not is_asyncio(current_token()):
            return await super().run(function)
        return await sync_to_async(function, thread_sensitive=True)()

    def wait_for(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        *arguments: Any,
        token: EventLoopToken,
    ) -> T:
        """Run a coroutine function in the event loop; the thread works for it."""
        if not is_asyncio(token):
            return super().wait_for(function, *arguments, token=token)
        return async_to_sync(function)(*arguments)


callers_thread: Final = CallersThread()


def is_asyncio(token: EventLoopToken) -> bool:
    """Say whether an event loop is one of asyncio."""
    return isinstance(token.native_token, asyncio.AbstractEventLoop)
