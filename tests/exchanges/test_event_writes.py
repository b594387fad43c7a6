"""Writes to the event store, which no handler waits for."""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.core.cache import caches
from pytest_django import Settings

from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.worker.tasks import LoopTasks
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS
from tests.worker.caches import BROKEN, HangingCache


class GatheringCache(HangingCache):
    """A cache that hangs until the test lets it go, and notes what it is given.

    Attributes:
        written: What was written together, in order.
        deleted: What was deleted together, in order.
    """

    written: ClassVar[list[dict[str, Any]]] = []
    deleted: ClassVar[list[list[str]]] = []

    def set_many(self, data: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Write, some time."""
        self.written.append(dict(data))
        return super().set_many(data, *args, **kwargs)

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        """Delete."""
        self.deleted.append(sorted(keys))
        super().delete_many(keys, version)


@pytest.fixture
def hanging(settings: Settings) -> Iterator[type[GatheringCache]]:
    """Let the event store hang, until the test lets it go."""
    path = f"{__name__}.GatheringCache"
    settings.CACHES = {"default": {"BACKEND": path}}
    settings.MCP = {"EVENT_STORE_CACHE": "default", "CACHE_TIMEOUT": PATIENCE_SECONDS}
    GatheringCache.begin()
    GatheringCache.written.clear()
    GatheringCache.deleted.clear()
    yield GatheringCache
    GatheringCache.works.set()


@pytest.fixture
def writes() -> EventWrites:
    """Give writes whose tasks end by themselves."""
    tasks = LoopTasks()
    return EventWrites(lambda coroutine: tasks.start(coroutine, lambda: None))


async def begin(hanging: type[GatheringCache]) -> None:
    """Wait until the cache has been asked."""
    assert await asyncio.to_thread(hanging.has_more.acquire, True, PATIENCE_SECONDS)


async def test_what_comes_while_a_write_is_under_way_goes_together(
    hanging: type[GatheringCache], writes: EventWrites
) -> None:
    """Our choice: a slow cache costs two round trips, however much there is."""
    first = writes.put({"a": b"1", "note": 1})
    await begin(hanging)
    rest = [
        writes.put({key: b"2", "note": number}, obsolete=["a"] if key == "c" else [])
        for number, key in enumerate("bcd", start=2)
    ]
    hanging.works.set()
    await writes.flush()
    assert [written.result() for written in (first, *rest)] == [True] * 4
    assert hanging.written == [
        {"a": b"1", "note": 1},
        {"b": b"2", "c": b"2", "d": b"2", "note": 4},
    ]
    assert list(hanging.written[1])[-1] == "note"  # seen after what it tells of
    assert hanging.deleted == [["a"]]
    assert caches["default"].get("a") is None


async def test_what_is_not_kept_is_told(
    writes: EventWrites, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a client must not believe that it could come back."""
    settings.CACHES = {"default": {"BACKEND": BROKEN}}
    settings.MCP = {"EVENT_STORE_CACHE": "default"}
    written = [writes.put({"a": b"1"}), writes.put({"b": b"1"})]
    await writes.flush()
    assert [write.result() for write in written] == [False, False]
    assert len(caplog.messages) == 1  # of the cache


async def test_too_much_is_waited_for(
    hanging: type[GatheringCache], writes: EventWrites
) -> None:
    """Our choice: what waits is bounded."""
    writes.put({"a": b"1"})
    await begin(hanging)
    async with asyncio.timeout(SOON_SECONDS):
        await writes.make_room()
    writes.put({"b": bytes(5 * 1024 * 1024)})
    waiting = asyncio.create_task(writes.make_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    hanging.works.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting
