"""Threads for code of the site: for each kind of it a bounded, long-lived pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor, Future
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.lowlevel import EventLoopToken, RunVar, current_token
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.utils import timezone, translation

from mcp_django.bulkheads.abandoned import held_by_abandoned
from mcp_django.bulkheads.fair_threads import FairThreads, Held
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.lent_threads import LentThreads
from mcp_django.bulkheads.shortages import Shortage
from mcp_django.bulkheads.strays import stray_of
from mcp_django.conf import mcp_settings

logger = FaultLog("mcp_django.server")

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_SECONDS: Final = 1.0

PoolSize: TypeAlias = Literal[
    "SYNC_WORKERS",
    "PERMISSION_WORKERS",
    "AUTHENTICATION_WORKERS",
    "ASYNC_WORKERS",
]
"""Keys of the `MCP` setting that say how many threads a pool has."""

_is_in_pool: ContextVar[bool] = ContextVar("mcp_django_is_in_pool", default=False)


class ThreadPool:
    """Runs functions in at most so many threads, shared fairly between users.

    Django's database connections belong to a thread, so long-lived threads make
    persistent connections worth having. Each function is run between two calls of
    `close_old_connections`, in the caller's context: its `contextvars`, and what
    Django keeps there, such as the language. Under trio, which has no Django of its
    own, anyio's threads are used, in the order of calls.

    Attributes:
        lent: Threads for code on the event loop, such as for what the async ORM does.

    Args:
        name: Prefix of the threads' names.
        setting: Key of the `MCP` setting that says how many threads.
        purpose: What the threads are for, in the plural, for the log.
        is_shared: Whether several users share them; else one may have all.
        replaces: Whether a thread that was given up makes room for another one.
        beside: Where runs what must never wait for these threads; here if left out.
        lent: Key of the setting that says how many are lent to code on the event loop,
            beside these; as many as these if left out.
    """

    def __init__(
        self,
        name: str,
        setting: PoolSize,
        *,
        purpose: str,
        is_shared: bool = True,
        replaces: bool = False,
        beside: ThreadPool | None = None,
        lent: PoolSize | None = None,
    ) -> None:
        self.beside = beside or self
        self.lent = LentThreads(
            f"{name}-async",
            lambda: getattr(mcp_settings, lent or setting),
            is_shared=is_shared,
        )
        self._name = name
        self._setting = setting
        self._purpose = purpose
        self._is_shared = is_shared
        self._replaces = replaces
        self._lock = threading.Lock()
        self._threads: FairThreads | None = None
        self._shortage: Shortage | None = None
        self._looking: asyncio.AbstractEventLoop | None = None
        self._limiter: RunVar[anyio.CapacityLimiter | None] = RunVar(name)

    async def run(
        self,
        function: Callable[[], T],
        *,
        owner: str | None = None,
        what: Callable[[], str] | None = None,
    ) -> T:
        """Run a function in a thread and wait for it.

        When the caller is cancelled, a function that runs already runs on, and what
        it returns is dropped; one that waits for a thread is never run.

        Args:
            function: What to run.
            owner: Names the user, so that none takes all threads; None for no user.
            what: Describes what runs, for the log.

        Raises:
            Stray: The function raised what threads or tasks cannot carry, such as
                `StopIteration` or `SystemExit`.
        """
        # A thread of a pool waits for this. When all of them wait for another one, none
        # is left: so it is a thread more, for as long as that waits.
        is_nested = _is_in_pool.get()
        if not runs_asyncio():
            limiter = anyio.CapacityLimiter(1) if is_nested else self._limit()
            return await anyio.to_thread.run_sync(
                _run, carrying(function), limiter=limiter, abandon_on_cancel=True
            )
        threads = self._threads or self._open()
        lane = _Lane(
            threads,
            owner if self._is_shared else None,
            what or self._describe,
            is_nested,
            self._begin_looking,
        )
        _lane.set(lane)
        try:
            found: T = await _in_thread(function)
            return found
        finally:
            _lane.set(None)

    @property
    def held(self) -> list[Held]:
        """What the threads run now, the oldest first."""
        return [] if self._threads is None else self._threads.held()

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

    def _open(self) -> FairThreads:
        with self._lock:
            if self._threads is None:
                size = getattr(mcp_settings, self._setting)
                self._threads = FairThreads(self._name, size, replaces=self._replaces)
                self._shortage = Shortage(
                    logger,
                    f"threads for {self._purpose} (MCP[{self._setting!r}] is {size})",
                    self._threads,
                )
            return self._threads

    def _describe(self) -> str:
        return self._purpose

    def _begin_looking(self) -> None:
        """Look from time to time whether something waits too long for a thread."""
        if self._looking is None or self._looking.is_closed():
            self._looking = asyncio.get_running_loop()
            self._looking.call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        loop, self._looking = self._looking, None
        assert self._shortage is not None
        assert loop is not None
        if self._shortage.look():
            self._looking = loop
            loop.call_later(_LOOK_SECONDS, self._look)


@dataclass(slots=True)
class _Lane:
    """The way into a pool for one owner.

    Attributes:
        pool: Where to run.
        owner: As for `FairThreads.run`, like the others.
        what: Describes what runs.
        is_extra: Whether there are threads beyond the number.
        on_wait: Called when something has to wait for a thread.
    """

    pool: FairThreads
    owner: str | None
    what: Callable[[], str]
    is_extra: bool
    on_wait: Callable[[], None]


_lane: ContextVar[_Lane | None] = ContextVar("mcp_django_lane", default=None)
"""By what the caller's next function finds its way."""


class _Lanes(Executor):
    """The lanes of all callers, as `asyncio` and asgiref want one."""

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run a function as soon as the caller's owner may have a thread."""
        lane = _lane.get()
        assert lane is not None
        # On the hot path: asgiref gives everything in one function.
        function = partial(fn, *args, **kwargs) if args or kwargs else fn
        future = lane.pool.run(
            function, owner=lane.owner, what=lane.what, is_extra=lane.is_extra
        )
        if lane.pool.is_short:
            lane.on_wait()
        # Not one of `concurrent.futures`, of which asyncio makes one of these.
        return future  # type: ignore[return-value]


def runs_asyncio() -> bool:
    """Say whether an event loop of asyncio runs in this thread, and not trio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


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


def of_caller(function: Callable[[], T]) -> Callable[[], T]:
    """Let a function run in the caller's context, in a thread that another one has."""
    context = copy_context()
    context.run(_is_in_pool.set, True)
    return partial(context.run, function)


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


# Not thread sensitive: what asgiref means by that is one thread for all. Only asgiref
# carries Django's own context, such as the language, over. Made once, which takes as
# long as the way to a thread and back.
_in_thread: Final[Callable[[Callable[[], Any]], Awaitable[Any]]] = sync_to_async(
    _run,
    thread_sensitive=False,
    executor=_Lanes(),  # type: ignore[call-overload]  # any executor will do
)


permission_threads = ThreadPool(
    "mcp-permission", "PERMISSION_WORKERS", purpose="permissions", replaces=True
)
"""Where requests of every kind ask code of the site: permissions, `LANGUAGE`,
receivers of signals. Lists must not wait for handlers."""

handler_threads = ThreadPool(
    "mcp-handler",
    "SYNC_WORKERS",
    purpose="handlers",
    beside=permission_threads,
    lent="ASYNC_WORKERS",
)
"""Where `def` handlers run."""

lone_threads = ThreadPool(
    "mcp-lone-handler",
    "SYNC_WORKERS",
    purpose="handlers",
    is_shared=False,
    beside=permission_threads,
    lent="ASYNC_WORKERS",
)
"""Where those run that are called by the one client of a process, as over stdio."""

authentication_threads = ThreadPool(
    "mcp-authentication",
    "AUTHENTICATION_WORKERS",
    purpose="authentication",
    replaces=True,
)
"""Where users are looked up: slow handlers must keep none out."""

recheck_threads = ThreadPool(
    "mcp-recheck",
    "AUTHENTICATION_WORKERS",
    purpose="looking at credentials again",
    replaces=True,
)
"""Where credentials are looked at again: that must keep no user out either."""


def held_by_handlers() -> list[Held]:
    """Say which `def` handlers run now, also those that are waited for no more.

    And which `async def` ones are waited for no more: they do not end.
    """
    return [*handler_threads.held, *lone_threads.held, *held_by_abandoned()]
