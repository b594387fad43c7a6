"""Writes to the event store: in order, and together while one is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from django.core.cache import BaseCache

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.leases import Lease
from mcp_django.worker.caches import event_cache
from mcp_django.worker.tasks import Start
from mcp_django.worker.worker import Worker

logger = FaultLog("mcp_django.exchanges")

_MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""Of events; while so many wait for the cache, a handler that sends more waits too."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """What is written together.

    Attributes:
        values: Mapping of cache key to value, in the order in which they may be seen.
        obsolete: Keys that are deleted.
        is_kept: Set to whether the cache has taken it.
    """

    values: Mapping[str, Any]
    obsolete: Iterable[str]
    is_kept: asyncio.Future[bool]


class EventWrites:
    """What the streams of one worker have the event store keep.

    Handlers need not wait for it. While the cache takes what came first, what comes
    next waits, and goes together: so a slow cache costs the time of two round trips,
    however many events there are.

    Args:
        start: Runs a coroutine in a task that the worker holds.

    Attributes:
        lease: Says that the worker lives.
    """

    def __init__(self, start: Start) -> None:
        self.lease = Lease(start)
        self._start = start
        self._waiting: list[_Write] = []
        self._waiting_bytes = 0
        self._under_way: asyncio.Future[bool] | None = None
        self._last: asyncio.Future[bool] | None = None

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls(worker.start)

    def put(
        self, values: Mapping[str, Any], *, obsolete: Iterable[str] = ()
    ) -> asyncio.Future[bool]:
        """Write values soon.

        Args:
            values: Mapping of cache key to value, in the order in which they may be
                seen by others.
            obsolete: Keys to delete.

        Returns:
            Becomes whether the cache has taken them; raises nothing.
        """
        is_kept = self._last = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(values, obsolete, is_kept))
        self._waiting_bytes += _size_of(values)
        if self._under_way is None:
            self._under_way = is_kept
            self._start(self._write_all())
        return is_kept

    async def flush(self) -> None:
        """Wait until all that was put until now is kept, or lost."""
        if self._last is not None:
            await asyncio.wait([self._last])

    async def make_room(self) -> None:
        """Wait while too much waits; no longer than the cache may take."""
        while self._waiting_bytes > _MAX_WAITING_BYTES and self._under_way is not None:
            await asyncio.wait([self._under_way])

    async def _write_all(self) -> None:
        writes: list[_Write] = []
        try:
            while self._waiting:
                writes, self._waiting = self._waiting, []
                self._waiting_bytes = 0
                self._under_way = writes[0].is_kept
                lost = await _write(writes)
                for write in writes:
                    _settle(write, is_kept=lost.isdisjoint(write.values))
        finally:
            self._under_way = None
            # Where the task was cancelled.
            for write in [*writes, *self._waiting]:
                _settle(write, is_kept=False)
            self._waiting, self._waiting_bytes, self._last = [], 0, None


def _settle(write: _Write, *, is_kept: bool) -> None:
    if not write.is_kept.done():
        write.is_kept.set_result(is_kept)


async def _write(writes: Iterable[_Write]) -> set[str]:
    """Write to the cache what waited.

    Returns:
        Keys of what is not kept.
    """
    values: dict[str, Any] = {}
    obsolete: set[str] = set()
    for write in writes:
        for key, value in write.values.items():
            values.pop(key, None)  # so that it stands behind what came before it
            values[key] = value
        obsolete.update(write.obsolete)
    for key in obsolete:
        values.pop(key, None)
    timeout = mcp_settings.EVENT_STORE_SECONDS

    def keep(cache: BaseCache) -> list[str]:
        if obsolete:
            cache.delete_many(obsolete)
        return cache.set_many(values, timeout=timeout) or []

    try:
        failed = await event_cache().ask(keep)
    except ServiceAway:
        return set(values)
    if failed:
        logger.warning(
            "the event store did not take a value; see that its cache has room",
            times=len(failed),
        )
    return set(failed)


def _size_of(values: Mapping[str, Any]) -> int:
    return sum(len(value) for value in values.values() if isinstance(value, bytes))
