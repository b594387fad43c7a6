"""Gives fair threads work, and takes what comes of it, outside of event loops."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from mcp_django.bulkheads.fair_threads import FairThreads, Job


class Submitted(Future[Any]):
    """What comes of a job; `cancel` leaves the queue, or gives its thread up."""

    job: Job

    def __init__(self, threads: FairThreads) -> None:
        super().__init__()
        self._threads = threads

    def cancel(self) -> bool:
        is_cancelled = super().cancel()
        self._threads.leave(self.job)
        return is_cancelled


def submit(
    threads: FairThreads,
    function: Callable[[], Any],
    owner: str | None = None,
    *,
    what: str = "a test",
    is_extra: bool = False,
) -> Future[Any]:
    """Run a function in one of some threads."""
    future = Submitted(threads)
    future.job = threads.put(
        function, future, owner=owner, what=lambda: what, is_extra=is_extra
    )
    return future
