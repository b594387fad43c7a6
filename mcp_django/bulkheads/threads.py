"""Threads for what may hang for ever."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from mcp_django.bulkheads.strays import error_of

T = TypeVar("T")

_MAX_LOST: Final = 32
"""Threads that may hang beside the others; of more, nobody stands in for them."""


class Threads:
    """Runs functions in at most so many threads, which may hang.

    A thread in which a function still runs when its caller has given up is lost:
    another one stands in for it, and it ends when the function does. None of them keeps
    the process from ending.

    Args:
        name: Of the threads.
        most: Gives how many there may be, beside those that are lost.
    """

    def __init__(self, name: str, most: Callable[[], int]) -> None:
        self._name = name
        self._most = most
        self._condition = threading.Condition()
        self._waiting: deque[_Job[Any]] = deque()
        self._threads = 0
        self._idle = 0
        self._lost = 0
        self._is_closed = False

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread and wait for it; whoever is cancelled gives it up.

        Raises:
            RuntimeError: It raised what a task cannot be given, such as `SystemExit`.
        """
        job = _Job(function)
        self._begin(job)
        try:
            return await job.done
        except asyncio.CancelledError:
            self._give_up(job)
            raise

    def close(self) -> None:
        """End the threads as soon as they have nothing to do."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    def _begin(self, job: _Job[Any]) -> None:
        with self._condition:
            self._waiting.append(job)
            try:
                self._find_thread()
            except BaseException:  # no thread can be started
                self._waiting.remove(job)
                raise

    def _find_thread(self) -> None:
        if len(self._waiting) > self._idle and self._threads < self._most():
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
            self._threads += 1
            self._idle += 1
        else:
            self._condition.notify()

    def _give_up(self, job: _Job[Any]) -> None:
        with self._condition:
            if job in self._waiting:
                self._waiting.remove(job)
            elif job.is_running and self._lost < _MAX_LOST:
                job.is_lost = True
                self._lost += 1
                self._threads -= 1
                if self._waiting:
                    self._find_thread()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            with self._condition:
                job.is_running = False
                if job.is_lost:
                    self._lost -= 1
                    return
                self._idle += 1  # first, so that who is told finds it idle
            job.report()
            del job  # which may hold much

    def _next(self) -> _Job[Any] | None:
        with self._condition:
            while not self._waiting:
                if self._is_closed:
                    self._threads -= 1
                    self._idle -= 1
                    return None
                self._condition.wait()
            job = self._waiting.popleft()
            self._idle -= 1
            job.is_running = True
            return job


class _Job(Generic[T]):
    """A function on its way through a thread."""

    __slots__ = ("_error", "_function", "_value", "done", "is_lost", "is_running")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._value: T | None = None
        self._error: Exception | None = None
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.is_running = False
        self.is_lost = False

    def run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:
            self._error = error_of(error)

    def report(self) -> None:
        """Tell whoever waits, unless their event loop has ended."""
        with contextlib.suppress(RuntimeError):
            self.done.get_loop().call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self.done.done():
            return
        if self._error is not None:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(self._value)  # type: ignore[arg-type]  # it is a T
