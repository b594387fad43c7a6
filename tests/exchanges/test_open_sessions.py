"""Which sessions over Streamable HTTP are open: two workers, joined by a layer."""

import asyncio

import anyio
import pytest
from django.core.cache import caches
from pytest_django import Settings

from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import has_ended, note_end
from mcp_django.exchanges.standalone_streams import StandaloneStreams
from mcp_django.worker.relay import Hear, Relay
from tests.exchanges.http_sessions import open_session
from tests.exchanges.workers import Call, Stream, joined, worker_of
from tests.worker.layers import PATIENCE_SECONDS, Layer, until


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def session() -> HTTPSession:
    return open_session()


async def test_end_is_heard_of_by_every_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: at once, and without the cache."""
    async with joined(layer) as (one, two):
        assert await two.part(OpenSessions).is_open(session)
        stream, call, other_call = Stream(), Call(), Call()
        await two.part(StandaloneStreams).add(session, stream)
        two.part(RunningCalls).add(session, 1, call)
        two.part(RunningCalls).add(open_session(), 1, other_call)
        await one.part(OpenSessions).end(session)
        assert not await one.part(OpenSessions).is_open(session)
        await until(lambda: stream.is_closed)
        caches["default"].clear()
        assert not await two.part(OpenSessions).is_open(session)
    assert call.times_cancelled == 1
    assert other_call.times_cancelled == 0


async def test_end_is_in_the_cache_for_workers_that_start_later(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: also after a restart of all of them."""
    async with joined(layer) as (one, _):
        await one.part(OpenSessions).end(session)
    async with joined(Layer()) as (later, _):
        assert not await later.part(OpenSessions).is_open(session)


async def test_end_that_the_cache_did_not_take_is_kept_when_it_is_back(
    session: HTTPSession, settings: Settings
) -> None:
    """We promise it: the client is told 503, and need not try again."""
    settings.MCP = {"AWAY_SECONDS": 0.05}
    working = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    worker, other = worker_of(None), open_session()
    for ended in (session, other):
        with pytest.raises(ServiceAway):
            await worker.part(OpenSessions).end(ended)
    settings.CACHES = working
    with anyio.fail_after(PATIENCE_SECONDS):
        while not (await has_ended(session) and await has_ended(other)):
            await anyio.lowlevel.checkpoint()
    await worker.tasks.end()


async def test_cache_is_asked_once_for_a_while(
    layer: Layer, session: HTTPSession, settings: Settings
) -> None:
    """Our choice: MCP["RECHECK_SECONDS"], should a worker not have heard of an end."""
    async with joined(layer) as (one, _):
        assert await one.part(OpenSessions).is_open(session)
        await note_end(session)
        assert await one.part(OpenSessions).is_open(session)
        settings.MCP = {"RECHECK_SECONDS": 0}
        assert not await one.part(OpenSessions).is_open(session)
        caches["default"].clear()
        assert not await one.part(OpenSessions).is_open(session)


async def test_worker_that_hears_of_no_ends_asks_the_cache_each_time(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: while the layer is broken."""

    def fail() -> None:
        raise ConnectionError("no Redis")

    layer.on_join = fail
    worker = worker_of(layer)
    assert await worker.part(OpenSessions).is_open(session)
    await note_end(session)
    assert not await worker.part(OpenSessions).is_open(session)


async def test_without_a_layer_there_is_nobody_else_to_hear_from(
    session: HTTPSession,
) -> None:
    """Our choice: all works in one process."""
    worker = worker_of(None)
    call = Call()
    worker.part(RunningCalls).add(session, 1, call)
    assert await worker.part(OpenSessions).is_open(session)
    await worker.part(OpenSessions).end(session)
    assert not await worker.part(OpenSessions).is_open(session)
    assert call.times_cancelled == 1


async def test_sessions_go_on_while_the_cache_is_away(
    layer: Layer,
    session: HTTPSession,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: no session ends because the site has a trouble."""
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    async with joined(layer) as (one, two):
        assert await one.part(OpenSessions).is_open(session)
        assert await two.part(OpenSessions).is_open(session)
    [line] = caplog.messages
    assert line.startswith("the cache 'default' does not answer: ")


class Hearing(Relay):
    """A relay that lets a test say what other workers tell."""

    def on_told(self, kind: str, hear: Hear) -> None:
        self.hear = hear


async def test_memory_of_sessions_is_bounded(session: HTTPSession) -> None:
    """Our choice: ten thousand of each kind; the cache knows the rest."""
    relay = Hearing(None)
    sessions = OpenSessions(relay, asyncio.ensure_future)
    relay.hear({"kind": "ended", "session": session.key})
    assert not await sessions.is_open(session)
    for number in range(10_000):
        relay.hear({"kind": "ended", "session": str(number)})
    assert await sessions.is_open(session)
