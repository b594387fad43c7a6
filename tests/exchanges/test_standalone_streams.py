"""Standalone streams of two workers, joined by one layer."""

import asyncio

import pytest
from pytest_django import Settings

from mcp_django import Server
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import CachedState
from mcp_django.exchanges.standalone_streams import StandaloneStreams
from mcp_django.server.notices import Notice
from tests.exchanges.http_sessions import open_session
from tests.exchanges.workers import Stream, joined, worker_of
from tests.worker.caches import DelayingCache
from tests.worker.layers import PATIENCE_SECONDS, Layer, quiet, until


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def session() -> HTTPSession:
    return open_session()


async def test_notices_keep_their_order_whatever_the_cache_answers_first(
    settings: Settings,
) -> None:
    """Our choice: the cache is asked about one after the other."""

    path = "tests.worker.caches.DelayingCache"
    settings.CACHES = {"default": {"BACKEND": path}}
    DelayingCache.works.set()
    worker, stream, session = worker_of(None), Stream(), open_session()
    server = Server(session.server_name)
    stream.server = server
    uris = ["shop://first", "shop://second"]
    for uri in uris:
        await CachedState(session, server).subscribe(uri)
    await worker.part(StandaloneStreams).add(session, stream)
    streams = worker.part(StandaloneStreams)
    DelayingCache.begin()
    for uri in uris:
        streams.notify(server, Notice("resource", uri))
    # The first one is asked for, and the second one waits for its answer.
    await asyncio.to_thread(DelayingCache.has_more.acquire, True, PATIENCE_SECONDS)
    DelayingCache.works.set()
    await until(lambda: len(stream.told) == 2)
    assert [notice.subject for notice in stream.told] == uris


async def test_newest_stream_of_a_session_wins(session: HTTPSession) -> None:
    """Our choice: a client that has lost its stream opens another one."""
    worker = worker_of(None)
    older, newer, other = Stream(), Stream(), Stream()
    await worker.part(StandaloneStreams).add(open_session(), other)
    await worker.part(StandaloneStreams).add(session, older)
    await worker.part(StandaloneStreams).add(session, newer)
    assert [s.is_displaced for s in (older, newer, other)] == [True, False, False]
    worker.part(StandaloneStreams).remove(session, older)
    worker.part(StandaloneStreams).notify(newer.server, Notice("tools"))
    await until(lambda: bool(newer.told) and bool(other.told))
    assert [len(s.told) for s in (older, newer, other)] == [0, 1, 1]


async def test_stream_that_was_opened_first_does_not_win_by_being_slow(
    session: HTTPSession,
) -> None:
    """Our choice: streams of one session may be opened at the same time."""
    worker = worker_of(None)
    older, newer = Stream(), Stream()
    await worker.part(StandaloneStreams).add(session, newer)
    await worker.part(StandaloneStreams).add(session, older)
    assert (older.is_displaced, newer.is_displaced) == (True, False)


async def test_newest_stream_wins_at_any_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Spec: 2025-11-25 basic/transports, "Multiple Connections": no message twice."""
    async with joined(layer) as (one, two):
        older, newer, other = Stream(), Stream(), Stream()
        await one.part(StandaloneStreams).add(open_session(), other)
        await one.part(StandaloneStreams).add(session, older)
        await quiet(layer)
        await two.part(StandaloneStreams).add(session, newer)
        await until(lambda: older.is_displaced)
        await quiet(layer)
    assert (newer.is_displaced, other.is_displaced) == (False, False)


@pytest.mark.parametrize("is_first_late", [True, False])
async def test_one_of_two_streams_opened_at_the_same_time_stays(
    layer: Layer, session: HTTPSession, is_first_late: bool
) -> None:
    """Our choice: the later one, in whatever order the workers come to know."""
    async with joined(layer) as (one, two):
        older, newer = Stream(), Stream()
        additions = [
            one.part(StandaloneStreams).add(session, older),
            two.part(StandaloneStreams).add(session, newer),
        ]
        if is_first_late:
            additions.reverse()
        for addition in additions:
            await addition
            await quiet(layer)
        await until(lambda: older.is_displaced)
        await quiet(layer)
    assert not newer.is_displaced


async def test_stream_opened_now_wins_although_the_clocks_differ(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: what was opened long ago is the older one."""
    async with joined(layer) as (one, two):
        older, newer = Stream(age=60), Stream(age=3600)
        await one.part(StandaloneStreams).add(session, older)
        await quiet(layer)
        await two.part(StandaloneStreams).add(session, newer)
        await until(lambda: older.is_displaced)
        await quiet(layer)
    assert not newer.is_displaced


@pytest.mark.parametrize("is_at_one_worker", [True, False])
async def test_stream_opened_now_wins_although_the_clock_was_set_back(
    layer: Layer, session: HTTPSession, is_at_one_worker: bool
) -> None:
    """Our choice: else a client that comes back would be turned away for as long."""
    async with joined(layer) as (one, two):
        older, newer = Stream(age=60, clock_ahead=3600), Stream()
        await one.part(StandaloneStreams).add(session, older)
        await quiet(layer)
        worker = one if is_at_one_worker else two
        await worker.part(StandaloneStreams).add(session, newer)
        await until(lambda: older.is_displaced)
        await quiet(layer)
    assert not newer.is_displaced


async def test_only_those_who_wish_are_told(session: HTTPSession) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    worker = worker_of(None)
    mine, other, foreign = Stream(), Stream(), Stream(server_name="other")
    await worker.part(StandaloneStreams).add(session, mine)
    await worker.part(StandaloneStreams).add(open_session(), other)
    await worker.part(StandaloneStreams).add(open_session(), foreign)
    await CachedState(session, mine.server).subscribe("shop://stock")
    stock, tools = Notice("resource", "shop://stock"), Notice("tools")
    for notice in (stock, tools, tools):
        worker.part(StandaloneStreams).notify(mine.server, notice)
    await until(lambda: bool(other.told))
    assert mine.told == [stock, tools]
    assert other.told == [tools]
    assert foreign.told == []
