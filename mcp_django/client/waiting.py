"""Threads that wait for an event loop, and work for it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

import anyio
import anyio.from_thread
from anyio import RunFinishedError
from anyio.lowlevel import current_token

from mcp_django.client.answers import Interrupted, run_in_thread

T = TypeVar("T")


def runs_event_loop() -> bool:
    """Say whether this thread runs an event loop, which must not wait.

    Threads that such a loop started do not, whatever context they were given.
    """
    try:
        current_token()
    except RuntimeError:
        return False
    return True


class _Job:
    """A function that a task waits for, and a thread runs.

    Made in the event loop of the task.

    Attributes:
        is_wanted: Whether the task still waits.
        outcome: What came of it; None if it was not run.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.is_wanted = True
        self.outcome: Future[Any] | None = None
        self._function = function
        self._token = current_token()
        self._has_ended = anyio.Event()

    async def until_ended(self) -> None:
        """Wait until a thread has run it, or given it back."""
        try:
            await self._has_ended.wait()
        finally:
            self.is_wanted = False

    def run(self) -> None:
        """Run it in this thread.

        Raises:
            BaseException: What is no `Exception`, such as `KeyboardInterrupt`, and
                concerns this thread and not the task.
        """
        if not self.is_wanted:
            return
        self.outcome = Future()
        try:
            self.outcome.set_result(self._function())
        except Exception as error:
            self.outcome.set_exception(error)
        except BaseException as error:
            self.outcome.set_exception(Interrupted(_told_of(error)))
            raise
        finally:
            self.give_back()

    def give_back(self) -> None:
        """Let the task go on."""
        with suppress(RunFinishedError):
            anyio.from_thread.run_sync(self._has_ended.set, token=self._token)


# What a thread that waits has to do; None when what it waits for has ended.
_Queue: TypeAlias = SimpleQueue[_Job | None]

_own_queue: ContextVar[_Queue | None] = ContextVar("own_queue", default=None)
"""In the tasks of a request, that of the thread that made it."""


class WaitingThreads:
    """Lets threads that wait for an event loop work for it meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: list[_Queue] = []

    def wait_for(self, start: Callable[[], Future[T]]) -> T:
        """Give what a future has in the end; run what there is to run until then.

        Args:
            start: Starts the task whose outcome the future has.
        """
        queue: _Queue = SimpleQueue()
        with self._lock:
            self._queues.append(queue)
        try:
            # The task runs in a copy of this context.
            token = _own_queue.set(queue)
            try:
                future = start()
            finally:
                _own_queue.reset(token)
            future.add_done_callback(lambda _: queue.put(None))
            try:
                while (job := queue.get()) is not None:
                    job.run()
            except BaseException:
                future.cancel()
                raise
        finally:
            self._remove(queue)
        return future.result()

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread that waits, or, if there is none, in another."""
        while True:
            job = _Job(function)
            if not self._put(job):
                return await run_in_thread(partial(_run_alone, function))
            await job.until_ended()
            if job.outcome is not None:
                result: T = job.outcome.result()
                return result

    def _put(self, job: _Job) -> bool:
        """Give a job to a thread; False if none waits."""
        own = _own_queue.get()
        with self._lock:
            if not self._queues:
                return False
            queue = own if own in self._queues else self._queues[-1]
            queue.put(job)
        return True

    def _remove(self, queue: _Queue) -> None:
        """Note that a thread waits no more, and give back what it did not run."""
        with self._lock:
            self._queues.remove(queue)
        while not queue.empty():
            if (job := queue.get()) is not None:
                job.give_back()


def _run_alone(function: Callable[[], T]) -> T:
    try:
        return function()
    except Exception:
        raise
    except BaseException as error:
        # It would end the event loop, for which others wait.
        raise RuntimeError(_told_of(error)) from error


def _told_of(error: BaseException) -> str:
    return f"the function was interrupted by {error!r}"
