"""Streams that are kept, as the worker that writes them sees it."""

from collections.abc import Coroutine
from typing import Any

import pytest
from django.core.cache import caches
from pytest_django import Settings

from mcp_django.exceptions import TransportClosed
from mcp_django.exchanges.event_keys import Kind, kind_of
from mcp_django.exchanges.event_store import abandon, replay, replay_after
from tests.exchanges.stored import Clock, Streams, result, stop
from tests.worker.caches import NotingCache
from tests.worker.layers import until


@pytest.mark.parametrize("kind", ["call", "standalone"])
async def test_id_says_the_kind_of_its_stream(streams: Streams, kind: Kind) -> None:
    """Our choice: also when nothing more is known of it."""
    assert kind_of(await streams.make(kind).open()) == kind


async def test_stream_without_events_is_not_kept(streams: Streams) -> None:
    """Our choice: no client has an id to come back with."""
    stream = streams.make()
    await stream.end()
    await stream.tell()
    assert streams.told.names == []


async def test_followers_are_told_by_the_name_of_the_stream(streams: Streams) -> None:
    """Our choice: they may be at another worker."""
    stream = streams.make()
    id = await stream.append(b"1", is_last=False)
    assert streams.told.names == []
    await stream.tell()
    await until(lambda: streams.told.names == [id.rpartition("-")[0]])
    assert (await replay_after("session", streams.told.names[0], 0)).last == 1


async def test_later_stream_goes_on_with_an_earlier_one(streams: Streams) -> None:
    """Our choice: for the standalone stream, which a client opens again."""
    ids = await streams.fill(streams.make("standalone"), 2)
    later = streams.make("standalone", after=await replay("session", ids[0]))
    [id] = await streams.fill(later, 1)
    replayed = await replay("session", ids[0])
    assert [event for event, _ in replayed.events] == [ids[1], id]


@pytest.mark.parametrize("is_lost", [False, True], ids=["kept", "lost"])
async def test_open_stream_keeps_its_entry_alive(
    streams: Streams, settings: Settings, is_lost: bool
) -> None:
    """Our choice: a client may come back to an idle stream however long it was open,
    also if the cache was emptied meanwhile."""
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.NotingCache"}}
    settings.MCP = {"EVENT_STORE_CACHE": "default", "EVENT_STORE_SECONDS": 90}
    NotingCache.touched.clear()
    clock = Clock()
    started: list[Coroutine[Any, Any, None]] = []
    stream = streams.make("standalone", start=started.append, clock=clock)
    clock.now += 100
    stream.tick()
    assert started == []  # no client has an id of it
    id = await stream.open()
    clock.now += 29
    stream.tick()
    assert started == []
    if is_lost:
        caches["default"].clear()
    clock.now += 1
    stream.tick()
    stream.tick()
    [keeping] = started
    await keeping
    await streams.writes.flush()
    name = id.rpartition("-")[0]
    assert NotingCache.touched == [(f"mcp_django:session:stream:{name}", 90)]
    assert (await replay("session", id)).events == []


async def test_failure_of_the_cache_leaves_an_open_stream_alone(
    streams: Streams, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: it may be away for a moment."""
    clock = Clock()
    started: list[Coroutine[Any, Any, None]] = []
    stream = streams.make("standalone", start=started.append, clock=clock)
    await stream.open()
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    clock.now += 900
    stream.tick()
    await started[0]
    assert len(caplog.messages) == 1  # of the cache
    assert not stream.is_lost


async def test_worker_that_wakes_up_answers_no_second_time(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: nor does it write anything else any more."""
    stream = streams.make(clock=clock, expected=[1])
    [id] = await streams.fill(stream, 1)
    await stop(streams, clock)
    await abandon("session", id.rpartition("-")[0])
    ended = await replay("session", id)
    for is_last in (False, True):
        with pytest.raises(TransportClosed):
            await stream.append(result(1), is_last=is_last)
    await stream.end()
    await streams.writes.flush()
    assert await replay("session", id) == ended


async def test_worker_that_wakes_up_in_time_is_the_one_that_answers(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: what comes first counts."""
    stream = streams.make(clock=clock, expected=[1])
    [id] = await streams.fill(stream, 1)
    await stop(streams, clock)
    await stream.append(b"{}", is_last=False)
    await stream.append(result(1), is_last=True)
    await abandon("session", id.rpartition("-")[0])
    await streams.writes.flush()
    ended = await replay("session", id)
    assert [data for _, data in ended.events] == [b"{}", result(1)]
    assert ended.is_ended


async def test_client_is_answered_while_it_is_not_known_which_other_worker_did(
    streams: Streams, clock: Clock, settings: Settings
) -> None:
    """Our choice: a cache that is away takes no answer from a client that waits."""
    stream = streams.make(clock=clock, expected=[1])
    await streams.fill(stream, 1)
    clock.now += 60
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    await stream.append(result(1), is_last=True)
