"""The event store: events of streams, for clients that come back."""

import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import anyio
import pytest
from django.core.cache import caches
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django.exceptions import TransportClosed
from mcp_django.exchanges.event_keys import Kind, kind_of, lease_key
from mcp_django.exchanges.event_store import Replay, abandon, replay, replay_after
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.leases import Lease
from mcp_django.exchanges.stored_streams import StoredStream
from mcp_django.protocol import jsonrpc
from mcp_django.worker.tasks import LoopTasks
from tests.worker.caches import NotingCache
from tests.worker.layers import until


class Told:
    """Notes whose followers were told."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, name: str) -> None:
        self.names.append(name)


@pytest.fixture(autouse=True)
def with_event_store(settings: Settings) -> None:
    """Keep four events of each stream."""
    settings.MCP = {"EVENT_STORE_CACHE": "default", "EVENT_STORE_EVENTS": 4}


@pytest.fixture
async def tasks() -> AsyncIterator[LoopTasks]:
    """Give what holds tasks, and end them."""
    tasks = LoopTasks()
    yield tasks
    await tasks.end()


class Streams:
    """Makes the logs of streams that write together."""

    def __init__(self, tasks: LoopTasks) -> None:
        self._tasks = tasks
        self.writes = EventWrites(self.start)
        self.told = Told()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in a task."""
        self._tasks.start(coroutine, lambda: None)

    def make(
        self, kind: Kind = "call", *, session_key: str = "session", **options: Any
    ) -> StoredStream:
        """Make the log of a stream."""
        given = {"tell": self.told, "start": self.start, "writes": self.writes}
        return StoredStream(session_key, kind, **{**given, **options})

    async def fill(self, stream: StoredStream, count: int) -> list[str]:
        """Append so many events, wait until they are kept, and give their ids."""
        ids = [
            await stream.append(b"%d" % number, is_last=False)
            for number in range(1, count + 1)
        ]
        await self.writes.flush()
        return ids


@pytest.fixture
def streams(tasks: LoopTasks) -> Streams:
    return Streams(tasks)


async def test_what_follows_an_event_is_replayed_in_order(streams: Streams) -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    ids = await streams.fill(streams.make(), 3)
    replayed = await replay("session", ids[0])
    assert replayed.events == [(ids[1], b"2"), (ids[2], b"3")]
    assert (replayed.kind, replayed.last, replayed.is_ended) == ("call", 3, False)
    assert (await replay("session", ids[2])).events == []
    again = await replay_after("session", replayed.name, 1)
    assert again == replayed


async def test_all_follows_the_beginning(streams: Streams) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    stream = streams.make("standalone")
    id = await stream.open()
    assert (await replay("session", id)).events == []
    ids = await streams.fill(stream, 2)
    replayed = await replay("session", id)
    assert [event for event, _ in replayed.events] == ids
    assert replayed.kind == "standalone"


async def test_streams_are_kept_apart(streams: Streams) -> None:
    """Spec: 2025-11-25 basic/transports: not those of a different stream."""
    one, two = streams.make(), streams.make()
    ids = [await streams.fill(one, 2), await streams.fill(two, 2)]
    assert len({*ids[0], *ids[1]}) == 4
    assert (await replay("session", ids[0][0])).events == [(ids[0][1], b"2")]


async def test_sessions_are_kept_apart(streams: Streams) -> None:
    """Our choice: the key of the session is part of the event's."""
    ids = await streams.fill(streams.make(session_key="one"), 2)
    with pytest.raises(LookupError):
        await replay("two", ids[0])


async def test_end_of_a_stream_is_kept(streams: Streams) -> None:
    """Our choice: whoever comes back does not wait for more."""
    answered, cancelled = streams.make(), streams.make()
    id = await answered.append(b"1", is_last=True)
    assert (await replay("session", id)).is_ended
    [id] = await streams.fill(cancelled, 1)
    await cancelled.end()
    await streams.writes.flush()
    assert (await replay("session", id)).is_ended


async def test_followers_are_told_by_the_name_of_the_stream(streams: Streams) -> None:
    """Our choice: they may be at another worker."""
    stream = streams.make()
    id = await stream.append(b"1", is_last=False)
    assert streams.told.names == []
    await stream.tell()
    await until(lambda: streams.told.names == [id.rpartition("-")[0]])
    assert (await replay_after("session", streams.told.names[0], 0)).last == 1


async def test_stream_without_events_is_not_kept(streams: Streams) -> None:
    """Our choice: nobody has an id to come back with."""
    stream = streams.make()
    await stream.end()
    await stream.tell()
    assert streams.told.names == []


async def test_only_so_many_events_are_kept(streams: Streams) -> None:
    """Our choice: MCP["EVENT_STORE_EVENTS"]; what has a gap is refused."""
    ids = await streams.fill(streams.make(), 7)
    for id in ids[:2]:
        with pytest.raises(LookupError):
            await replay("session", id)
    replayed = await replay("session", ids[2])
    assert [event for event, _ in replayed.events] == ids[3:]


async def test_event_that_the_cache_has_lost_is_not_skipped(streams: Streams) -> None:
    """Our choice: caches may forget; a client would not know that it missed one."""
    ids = await streams.fill(streams.make(), 3)
    name = ids[0].rpartition("-")[0]
    caches["default"].delete(f"mcp_django:session:event:{name}:2")
    with pytest.raises(LookupError):
        await replay("session", ids[0])
    assert (await replay("session", ids[1])).events == [(ids[2], b"3")]


async def test_later_stream_goes_on_with_an_earlier_one(streams: Streams) -> None:
    """Our choice: for the standalone stream, which a client opens again."""
    ids = await streams.fill(streams.make("standalone"), 2)
    later = streams.make("standalone", after=await replay("session", ids[0]))
    [id] = await streams.fill(later, 1)
    replayed = await replay("session", ids[0])
    assert [event for event, _ in replayed.events] == [ids[1], id]


class Clock:
    """Gives the time that the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


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
    assert started == []  # nobody has an id of it
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


@pytest.mark.parametrize("kind", ["call", "standalone"])
async def test_id_says_the_kind_of_its_stream(streams: Streams, kind: Kind) -> None:
    """Our choice: also when nothing more is known of it."""
    assert kind_of(await streams.make(kind).open()) == kind


async def test_events_expire(streams: Streams, settings: Settings) -> None:
    """Our choice: MCP["EVENT_STORE_SECONDS"]."""
    settings.MCP = {"EVENT_STORE_CACHE": "default", "EVENT_STORE_SECONDS": 1e-9}
    [id] = await streams.fill(streams.make(), 1)
    with pytest.raises(LookupError):
        await replay("session", id)


@pytest.mark.parametrize(
    "last_event_id", ["{name}-0", "{name}-10", "{name}-", "{name}"]
)
async def test_numbers_that_were_not_given_are_refused(
    streams: Streams, last_event_id: str
) -> None:
    """Our choice: nothing could be said to follow."""
    [id, *_] = await streams.fill(streams.make(), 5)
    name = id.rpartition("-")[0]
    with pytest.raises(LookupError):
        await replay("session", last_event_id.format(name=name))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id=st.text() | st.from_regex(r"\A[\w-]{1,50}-[0-9]{1,12}\Z"))
def test_no_text_raises_anything_else(id: str) -> None:
    """Our choice: whatever a client sends, also what caches warn of."""
    with pytest.raises(LookupError):
        anyio.run(replay, "session", id)


# Streams of workers that are gone ----------------------------------------------------


@pytest.fixture
def clock(streams: Streams) -> Clock:
    """Give the clock of the lease of the worker that writes."""
    clock = Clock()
    streams.writes.lease = Lease(streams.start, clock)
    return clock


async def stop(streams: Streams, clock: Clock) -> None:
    """Let a worker be stopped until its lease has lapsed, and wake up."""
    key = lease_key(streams.writes.lease.name)
    streams.writes.lease.renew()
    await until(lambda: caches["default"].get(key) is not None)
    clock.now += 60
    caches["default"].delete(key)


def answers_in(replayed: Replay) -> list[Any]:
    """Give the ids and codes of the errors among the events."""
    parsed = [json.loads(data) for _, data in replayed.events]
    errors = [e for e in parsed if isinstance(e, dict) and "error" in e]
    return [(error["id"], error["error"]["code"]) for error in errors]


def result(id: Any) -> bytes:
    """Make the answer to a request."""
    return jsonrpc.serialize(jsonrpc.result(id, {}))


async def test_stream_of_a_worker_that_lives_is_not_abandoned(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: its lease is looked at once more."""
    stream = streams.make(clock=clock)
    stream.expect(1)
    id = await stream.open()
    clock.now += 5
    stream.tick()
    await until(lambda: streams.writes.lease.is_held)
    replayed = await replay("session", id)
    assert replayed.is_leased
    await abandon("session", replayed.name)
    assert not (await replay("session", id)).is_ended
    await stream.append(result(1), is_last=True)
    await streams.writes.flush()
    assert (await replay("session", id)).is_ended


async def test_abandoned_stream_ends_with_one_error_whoever_abandons_it(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: several clients may come back for it, to several workers."""
    stream = streams.make(clock=clock)
    stream.expect(1)
    [id, seen] = await streams.fill(stream, 2)
    await stop(streams, clock)
    replayed = await replay("session", seen)
    assert not replayed.is_leased
    for _ in range(3):
        await abandon("session", replayed.name)
    ended = await replay("session", id)
    assert (ended.is_ended, ended.last) == (True, 3)
    assert answers_in(ended) == [(1, -32603)]
    assert (await replay("session", ended.events[-1][0])).events == []


async def test_worker_that_wakes_up_answers_no_second_time(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: nor does it write anything else any more."""
    stream = streams.make(clock=clock)
    stream.expect(1)
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
    stream = streams.make(clock=clock)
    stream.expect(1)
    [id] = await streams.fill(stream, 1)
    await stop(streams, clock)
    await stream.append(b"{}", is_last=False)
    await stream.append(result(1), is_last=True)
    await abandon("session", id.rpartition("-")[0])
    await streams.writes.flush()
    ended = await replay("session", id)
    assert [data for _, data in ended.events] == [b"{}", result(1)]
    assert ended.is_ended


async def test_answers_of_an_abandoned_batch_are_kept(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: only the requests without an answer get the error."""
    stream = streams.make(clock=clock)
    for request_id in (1, "1", 2):
        stream.expect(request_id)
    id = await stream.open()
    await stream.append(result("1"), is_last=False)
    await streams.writes.flush()
    await stop(streams, clock)
    await abandon("session", id.rpartition("-")[0])
    ended = await replay("session", id)
    assert ended.events[0][1] == result("1")
    assert answers_in(ended) == [(1, -32603), (2, -32603)]


async def test_client_is_answered_while_nobody_can_tell_who_else_did(
    streams: Streams, clock: Clock, settings: Settings
) -> None:
    """Our choice: a cache that is away takes no answer from whoever waits for it."""
    stream = streams.make(clock=clock)
    stream.expect(1)
    await streams.fill(stream, 1)
    clock.now += 60
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    await stream.append(result(1), is_last=True)
