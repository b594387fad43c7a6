"""Threads for what code on the event loop does synchronously, such as the async ORM.

asgiref runs that in one thread for all, whose database connections stay open. Here each
run of such code is lent a thread when it first needs one, and what a thread has of
Django's connections is looked after as Django does for a request.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext

from mcp_django.bulkheads.calls import Call
from mcp_django.bulkheads.serial_threads import SerialThread

P = ParamSpec("P")
T = TypeVar("T")

_CONTEXT: Final = SyncToAsync.thread_sensitive_context
"""By what asgiref finds the thread for what is done synchronously."""

_MAX_SPARE_RUNS: Final = 256
_MAX_STUCK: Final = 16
"""Threads that may be stuck beside the others."""


class Owned(Protocol):
    """What runs for a user, such as a request."""

    @property
    def owner(self) -> str | None:
        """Name the user; None for no particular one."""


class LentThreads:
    """Lends a thread to each run that needs one; to several runs if there are many.

    A thread that several runs share does for each what it asks, in turn: none holds it
    for longer than one call takes. So any number of runs may wait for each other.
    The runs of one owner have half of the threads at most. What waits behind a call
    that takes very long goes to another thread.

    Attributes:
        spare_runs: Those that needed no thread.

    Args:
        name: Of the threads.
        most: Gives how many there may be, beside those that are stuck.
        is_shared: Whether several users share them; else all are for everybody.
        stuck_seconds: What runs for longer lets others have another thread.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        name: str,
        most: Callable[[], int],
        *,
        is_shared: bool = True,
        stuck_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._most = most
        self._is_shared = is_shared
        self.stuck_seconds = stuck_seconds
        self.clock = clock
        self.lock = threading.Lock()
        self._threads: list[SerialThread] = []
        self.spare_runs: list[Run] = []

    def run(self, owned: Owned | None = None) -> AbstractContextManager[None]:
        """Give the context manager for a run; each is for one use.

        A run within another one is a part of that.

        Args:
            owned: Says for which user it is, once it needs a thread; None for no one.
        """
        current = _CONTEXT.get(None)
        if current is not None and isinstance(current, Run) and current.is_of(self):
            return nullcontext()
        if AsyncToSync.loop_thread_executors and _is_thread_waiting():
            return nullcontext()
        # On the hot path: most runs need no thread, and what they had is as new.
        run = self.spare_runs.pop() if self.spare_runs else Run(self)
        run.lease.owned = owned if self._is_shared else None
        return run

    def lend(self, owner: str | None) -> SerialThread:
        """Give the thread that is best for one run more; pair with `release`."""
        with self.lock:
            thread = self._choose(owner)
            thread.owners[owner] += 1
        thread.put(thread.prepare)
        return thread

    def release(self, thread: SerialThread, owner: str | None) -> None:
        """Take back the thread of a run that is over."""
        with self.lock:
            thread.owners[owner] -= 1
            thread.owners += Counter()  # forgets owners that have none left
        thread.put(thread.tidy)

    def forget(self, thread: SerialThread) -> bool:
        """Let a thread go that has been idle; not if it has been lent meanwhile."""
        with self.lock:
            if thread.owners or thread.has_work:
                return False
            self._threads.remove(thread)
            return True

    def _choose(self, owner: str | None) -> SerialThread:
        now, most = self.clock(), max(1, self._most())
        working = [thread for thread in self._threads if not thread.is_stuck(now)]
        own = [thread for thread in self._threads if thread.serves(owner)]
        if owner is not None and len(own) >= max(1, most // 2):
            usable = [thread for thread in own if thread in working]
            return min(usable or own, key=SerialThread.load)
        # The last that was used: others may end, and its connections are there.
        for thread in reversed(working):
            if not thread.owners and not thread.is_busy:
                return thread
        stuck = len(self._threads) - len(working)
        if len(working) < most - max(stuck - _MAX_STUCK, 0):
            thread = SerialThread(
                self._name,
                stuck_seconds=self.stuck_seconds,
                clock=self.clock,
                may_end=self.forget,
            )
            self._threads.append(thread)
            return thread
        return min(working or self._threads, key=SerialThread.load)


class Run(ThreadSensitiveContext):
    """The context of one run of code on the event loop.

    What it does in a thread is done in the one that it is lent. Only where a thread
    waits for it, as that of a test, asgiref takes that thread, as ever.

    Attributes:
        lease: What asgiref gives its calls to.
    """

    def __init__(self, threads: LentThreads) -> None:
        super().__init__()
        self._threads = threads
        self.lease = _Lease(threads)
        self._set: Any = None
        SyncToAsync.context_to_thread_executor[self] = self.lease

    def is_of(self, threads: LentThreads) -> bool:
        """Say whether it still runs, with threads of these."""
        return self._threads is threads and not self.lease.is_over

    def __enter__(self) -> None:
        """Begin the run."""
        self._set = _CONTEXT.set(self)

    def __exit__(self, *error: object) -> None:
        """End the run, and give back what it was lent."""
        try:  # noqa: SIM105 - on the hot path
            _CONTEXT.reset(self._set)
        except ValueError:  # the event loop has ended, and what is left is cleared away
            pass
        self._set = self.lease.owned = None
        if self.lease.is_used:
            self.lease.end()
        elif len(spare := self._threads.spare_runs) < _MAX_SPARE_RUNS:
            spare.append(self)  # it is as new


class _Lease(Executor):
    """What asgiref gives the calls of one run to.

    Attributes:
        owned: Says for which user the run is; None for no particular one.
        is_used: Whether there was a call.
        is_over: Whether the run is; a task that outlives it has a thread for each call.
    """

    def __init__(self, threads: LentThreads) -> None:
        self.owned: Owned | None = None
        self.is_used = False
        self.is_over = False
        self._threads = threads
        self._thread: SerialThread | None = None
        self._owner: str | None = None
        self._lock = threading.Lock()

    def submit(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run a function in the thread of this run."""
        with self._lock:
            if not self.is_used:
                self.is_used = True
                self._owner = None if self.owned is None else self.owned.owner
            future: Future[T] = Future()
            call = Call(partial(function, *args, **kwargs), self._owner, future)
            self._put(call)
        return future

    def end(self) -> None:
        """Give the thread back; what waits in it is still run."""
        with self._lock:
            self.is_over = True
            self._give_back()

    def _put(self, call: Call) -> None:
        if self._thread is not None and self._thread.is_stuck(self._threads.clock()):
            self._give_back()
        if self._thread is None:
            self._thread = self._threads.lend(self._owner)
        if self._thread.is_busy or self._thread.has_calls:
            self._watch(call, self._thread)
        self._thread.put(call)
        if self.is_over:
            self._give_back()

    def _watch(self, call: Call, thread: SerialThread) -> None:
        look = partial(self._look_after, call, thread)
        seconds = self._threads.stuck_seconds
        asyncio.get_running_loop().call_later(seconds, look)

    def _look_after(self, call: Call, thread: SerialThread) -> None:
        """Give a call to another thread if its own is stuck."""
        with self._lock:
            if thread.withdraw(call):
                if thread is self._thread:
                    self._give_back()
                self._put(call)
            elif thread.is_to_run(call):
                self._watch(call, thread)

    def _give_back(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._threads.release(thread, self._owner)


def _is_thread_waiting() -> bool:
    """Say whether a thread waits for this event loop, which was made for it."""
    try:
        return asyncio.get_running_loop() in AsyncToSync.loop_thread_executors
    except RuntimeError:  # under trio, for which asgiref does nothing
        return False
