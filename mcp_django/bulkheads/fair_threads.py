"""Threads that are shared fairly, and that no process waits for at its end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from mcp_django.bulkheads.calls import Awaited, Call, Outcome

T = TypeVar("T")

_MAX_REPLACED: Final = 32
"""Threads of a pool that may be replaced at the same time."""


@dataclass(frozen=True, slots=True)
class Held:
    """A thread that something runs in.

    Attributes:
        what: Describes what runs.
        owner: For which user it runs; None for no particular one.
        seconds: For how long already; None if unknown.
        is_given_up: Whether the caller was cancelled, so that none waits for its end.
    """

    what: str
    owner: str | None
    seconds: float | None
    is_given_up: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for a thread.

    Attributes:
        length: How much waits.
        seconds: For how long the first of it.
    """

    length: int
    seconds: float


class FairThreads:
    """At most so many threads, of which no owner can take the last one.

    An owner that holds fewer threads than are free gets one more: of 32, one alone gets
    16, a second one half of the rest, and so on. What gets none waits, and the owners
    take turns. What waits and is cancelled is never run.

    The threads are daemons: unlike those of `concurrent.futures`, the interpreter does
    not wait for them when it ends.

    Args:
        name: Prefix of the threads' names.
        size: How many threads.
        replaces: Whether a thread that was given up (the caller was cancelled, but the
            function runs on) makes room for another one, up to a number.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        replaces: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._max_replaced = _MAX_REPLACED if replaces else 0
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[_Thread] = []
        self._max_idle = size
        self._started = 0
        # What was admitted, and how many threads are about to take some of it.
        self._ready: deque[Job] = deque()
        self._coming = 0
        self._free = size
        self._replaced = 0
        self._running: dict[Job, None] = {}  # a set that keeps the order
        self._shares: dict[str, int] = {}
        self._waiting: dict[str | None, deque[Job]] = {}

    def run(
        self,
        function: Callable[[], T],
        *,
        owner: str | None = None,
        what: Callable[[], str],
        is_extra: bool = False,
    ) -> asyncio.Future[T]:
        """Run a function in a thread for a task of the running event loop.

        Args:
            function: As for `put`, like the others.
            owner: For which user.
            what: Describes it.
            is_extra: Whether it gets a thread beyond the number.

        Returns:
            What the task awaits. When that is cancelled, the function leaves the queue,
            or is given up.
        """
        awaited: Awaited[T] = Awaited()
        job = self.put(function, awaited, owner=owner, what=what, is_extra=is_extra)
        awaited.future.on_cancel = partial(self.leave, job)
        return awaited.future

    def put(
        self,
        function: Callable[[], Any],
        outcome: Outcome,
        *,
        owner: str | None = None,
        what: Callable[[], str],
        is_extra: bool = False,
    ) -> Job:
        """Run a function in a thread, as soon as its owner may have one.

        Args:
            function: What to run.
            outcome: Is told what comes of it.
            owner: For which user; None takes every thread that is free.
            what: Describes it, for the log.
            is_extra: Whether it gets a thread beyond the number, at once: a thread of
                the pool waits for it.

        Returns:
            What `leave` takes from the queue, or gives up.
        """
        job = Job(function, owner, outcome, what, is_extra)
        with self._lock:
            if not is_extra and self._has_to_wait(owner):
                job.since = self._clock()
                self._waiting.setdefault(owner, deque()).append(job)
                return job
            self._admit(job)
            woken = self._call_threads()
        self._wake(woken)
        return job

    @property
    def is_short(self) -> bool:
        """Whether something waits for a thread."""
        return bool(self._waiting)

    @property
    def queue(self) -> Queue | None:
        """What waits for a thread, None if nothing does."""
        with self._lock:
            if not self._waiting:
                return None
            first = min(jobs[0].since for jobs in self._waiting.values())
            length = sum(map(len, self._waiting.values()))
        return Queue(length, self._clock() - first)

    def held(self) -> list[Held]:
        """Say what the threads run, the oldest first."""
        with self._lock:
            running = list(self._running)
        now = self._clock()
        return [
            Held(job.what(), job.owner, now - job.since, job.is_given_up)
            for job in running
        ]

    def close(self) -> None:
        """End the threads as soon as they have nothing to do."""
        with self._lock:
            self._max_idle = 0
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.is_dismissed = True
            thread.wake()

    # Under the lock -------------------------------------------------------------

    def _has_to_wait(self, owner: str | None) -> bool:
        return owner in self._waiting or not self._may_have(owner)

    def _may_have(self, owner: str | None) -> bool:
        return (0 if owner is None else self._shares.get(owner, 0)) < self._free

    def _admit(self, job: Job) -> None:
        """Let a job have the next thread."""
        if not job.is_extra:
            self._free -= 1
            if job.owner is not None:
                self._shares[job.owner] = self._shares.get(job.owner, 0) + 1
        job.since = self._clock()
        self._running[job] = None
        self._ready.append(job)

    def _call_threads(self) -> list[_Thread]:
        """Give the threads to be woken, so that one comes for each job."""
        woken = []
        while self._coming < len(self._ready):
            self._coming += 1
            if self._idle:
                woken.append(self._idle.pop())  # the last one used
            else:
                self._started += 1
                woken.append(_Thread(self, f"{self._name}_{self._started}"))
        return woken

    def _rest(self, thread: _Thread) -> None:
        if len(self._idle) < self._max_idle:
            self._idle.append(thread)
        else:
            thread.is_dismissed = True

    def _release(self, job: Job) -> None:
        del self._running[job]
        if job.is_extra:
            return
        if job.is_replaced:
            self._replaced -= 1
        else:
            self._free += 1
        if job.owner is not None:
            self._shares[job.owner] -= 1
            if not self._shares[job.owner]:
                del self._shares[job.owner]

    def _admit_next(self) -> bool:
        """Admit the next of the queue that may run now; the owners take turns."""
        if not self._free:
            return False
        # An owner that may not now holds threads, so that this does not take long.
        for owner, jobs in self._waiting.items():
            if self._may_have(owner):
                self._admit(jobs.popleft())
                del self._waiting[owner]
                if jobs:
                    self._waiting[owner] = jobs  # behind the others
                return True
        return False

    def _dequeue(self, job: Job) -> None:
        jobs = self._waiting.get(job.owner)
        if jobs is not None and job in jobs:
            jobs.remove(job)
            if not jobs:
                del self._waiting[job.owner]

    def _give_up(self, job: Job) -> bool:
        """Note that a job's caller is gone; True if another thread takes its place."""
        if job.is_given_up:
            return False
        job.is_given_up = True
        if job.is_extra or self._replaced >= self._max_replaced:
            return False
        job.is_replaced = True
        self._replaced += 1
        self._free += 1
        return True

    # Of threads and jobs --------------------------------------------------------

    def take(self, thread: _Thread) -> Job | None:
        """Give a thread what it runs next; None if it has to wait until it is woken."""
        with self._lock:
            self._coming -= 1
            if self._ready:
                return self._ready.popleft()
            self._rest(thread)
            return None

    def finish(self, thread: _Thread, job: Job) -> bool:
        """Note that a thread is done with a job.

        Returns:
            Whether it takes another one at once; else it has to wait.
        """
        with self._lock:
            self._release(job)
            while self._admit_next():
                pass
            goes_on = bool(self._ready)
            if goes_on:
                self._coming += 1
            else:
                self._rest(thread)
            woken = self._call_threads()
        self._wake(woken)
        return goes_on

    def leave(self, job: Job) -> None:
        """Take a job from the queue, or give up the thread that it runs in."""
        with self._lock:
            if job not in self._running:
                self._dequeue(job)
                return
            if self._give_up(job):
                self._admit_next()
            woken = self._call_threads()
        self._wake(woken)

    def _wake(self, threads: list[_Thread]) -> None:
        for thread in threads:
            try:
                thread.wake()
            except RuntimeError as error:  # the system gives no more threads
                self._fail(error)

    def _fail(self, error: RuntimeError) -> None:
        """Let one job fail for which no thread comes."""
        with self._lock:
            self._coming -= 1
            if len(self._ready) <= self._coming:
                return
            job = self._ready.pop()
            self._release(job)
        if job.outcome.set_running_or_notify_cancel():
            job.outcome.set_exception(error)


class Job(Call):
    """A call that waits for a thread, or runs in one."""

    __slots__ = ("is_extra", "is_given_up", "is_replaced", "since", "what")

    def __init__(
        self,
        function: Callable[[], Any],
        owner: str | None,
        outcome: Outcome,
        what: Callable[[], str],
        is_extra: bool = False,
    ) -> None:
        super().__init__(function, owner, outcome)
        self.what = what
        self.is_extra = is_extra
        self.since = 0.0
        self.is_given_up = False
        self.is_replaced = False


class _Thread:
    """A thread that runs one job after the other.

    Attributes:
        is_dismissed: Whether it ends instead of waiting.
    """

    def __init__(self, pool: FairThreads, name: str) -> None:
        self._pool = pool
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._turn = threading.Lock()
        self._turn.acquire()
        self.is_dismissed = False

    def wake(self) -> None:
        """Look what there is to do.

        Raises:
            RuntimeError: There can be no more threads.
        """
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._turn.release()

    def _work(self) -> None:
        while not self.is_dismissed:
            if not self._run_next() and not self.is_dismissed:
                self._turn.acquire()

    def _run_next(self) -> bool:
        """Run a job if there is one, and say whether there is another one."""
        # In a function of its own, so that nothing is held by a thread that waits.
        job = self._pool.take(self)
        if job is None:
            return False
        tell = job.run()
        goes_on = self._pool.finish(self, job)
        tell()
        return goes_on
