"""The event store: events of streams, for clients that come back."""

from collections.abc import Coroutine
from typing import Any

import anyio
import pytest
from django.core.cache import caches
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django.sessions.caching import cache_of
from mcp_django.sessions.event_store import (
    Kind,
    Replay,
    StoredStream,
    is_enabled,
    kind_of,
    replay,
    replay_after,
)
from tests.sessions.caches import NotingCache


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


def make(
    kind: Kind = "call",
    *,
    session_key: str = "session",
    after: Replay | None = None,
) -> StoredStream:
    """Make the log of a stream that nobody follows."""
    return StoredStream(
        session_key, kind, tell=Told(), start=start_nothing, after=after
    )


def start_nothing(coroutine: Coroutine[Any, Any, None]) -> None:
    """Fail: nothing is to be started."""
    coroutine.close()
    raise AssertionError


async def fill(stream: StoredStream, count: int) -> list[str]:
    """Append so many events, and give their ids."""
    return [
        await stream.append(b"%d" % number, is_last=False)
        for number in range(1, count + 1)
    ]


async def test_what_follows_an_event_is_replayed_in_order() -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    ids = await fill(make(), 3)
    replayed = await replay("session", ids[0])
    assert replayed.events == [(ids[1], b"2"), (ids[2], b"3")]
    assert (replayed.kind, replayed.last, replayed.is_ended) == ("call", 3, False)
    assert (await replay("session", ids[2])).events == []
    again = await replay_after("session", replayed.name, 1)
    assert again == replayed


async def test_all_follows_the_beginning() -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    stream = make("standalone")
    id = await stream.open()
    assert (await replay("session", id)).events == []
    ids = await fill(stream, 2)
    replayed = await replay("session", id)
    assert [event for event, _ in replayed.events] == ids
    assert replayed.kind == "standalone"


async def test_streams_are_kept_apart() -> None:
    """Spec: 2025-11-25 basic/transports: not those of a different stream."""
    one, two = make(), make()
    ids = [await fill(one, 2), await fill(two, 2)]
    assert len({*ids[0], *ids[1]}) == 4
    assert (await replay("session", ids[0][0])).events == [(ids[0][1], b"2")]


async def test_sessions_are_kept_apart() -> None:
    """Our choice: the key of the session is part of the event's."""
    ids = await fill(make(session_key="one"), 2)
    with pytest.raises(LookupError):
        await replay("two", ids[0])


async def test_end_of_a_stream_is_kept() -> None:
    """Our choice: whoever comes back does not wait for more."""
    answered, cancelled = make(), make()
    id = await answered.append(b"1", is_last=True)
    assert (await replay("session", id)).is_ended
    [id] = await fill(cancelled, 1)
    await cancelled.end()
    assert (await replay("session", id)).is_ended


async def test_followers_are_told_by_the_name_of_the_stream() -> None:
    """Our choice: they may be at another worker."""
    told = Told()
    stream = StoredStream("session", "call", tell=told, start=start_nothing)
    id = await stream.append(b"1", is_last=False)
    assert told.names == []
    await stream.tell()
    assert told.names == [id.rpartition("-")[0]]


async def test_stream_without_events_is_not_kept() -> None:
    """Our choice: nobody has an id to come back with."""
    told = Told()
    stream = StoredStream("session", "call", tell=told, start=start_nothing)
    await stream.end()
    await stream.tell()
    assert told.names == []


async def test_only_so_many_events_are_kept() -> None:
    """Our choice: MCP["EVENT_STORE_EVENTS"]; what has a gap is refused."""
    ids = await fill(make(), 7)
    for id in ids[:2]:
        with pytest.raises(LookupError):
            await replay("session", id)
    replayed = await replay("session", ids[2])
    assert [event for event, _ in replayed.events] == ids[3:]


async def test_event_that_the_cache_has_lost_is_not_skipped() -> None:
    """Our choice: caches may forget; a client would not know that it missed one."""
    ids = await fill(make(), 3)
    name = ids[0].rpartition("-")[0]
    caches["default"].delete(f"mcp_django:session:event:{name}:2")
    with pytest.raises(LookupError):
        await replay("session", ids[0])
    assert (await replay("session", ids[1])).events == [(ids[2], b"3")]


async def test_later_stream_goes_on_with_an_earlier_one() -> None:
    """Our choice: for the standalone stream, which a client opens again."""
    ids = await fill(make("standalone"), 2)
    later = make("standalone", after=await replay("session", ids[0]))
    [id] = await fill(later, 1)
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
    settings: Settings, is_lost: bool
) -> None:
    """Our choice: a client may come back to an idle stream however long it was open,
    also if the cache was emptied meanwhile."""
    settings.CACHES = {"default": {"BACKEND": "tests.sessions.caches.NotingCache"}}
    settings.MCP = {"EVENT_STORE_CACHE": "default", "EVENT_STORE_SECONDS": 90}
    clock = Clock()
    started: list[Coroutine[Any, Any, None]] = []
    stream = StoredStream(
        "session", "standalone", tell=Told(), start=started.append, clock=clock
    )
    clock.now += 100
    stream.tick()
    assert started == []  # nobody has an id of it
    id = await stream.open()
    clock.now += 29
    stream.tick()
    assert started == []
    if is_lost:
        cache_of("default").clear()
    clock.now += 1
    stream.tick()
    stream.tick()
    [keeping] = started
    await keeping
    name = id.rpartition("-")[0]
    cache = cache_of("default")
    assert isinstance(cache, NotingCache)
    assert cache.touched == [(f"mcp_django:session:stream:{name}", 90)]
    assert (await replay("session", id)).events == []


async def test_failure_of_the_cache_leaves_an_open_stream_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: it may be away for a moment."""
    clock = Clock()
    started: list[Coroutine[Any, Any, None]] = []
    stream = StoredStream(
        "session", "standalone", tell=Told(), start=started.append, clock=clock
    )
    await stream.open()
    settings.CACHES = {"default": {"BACKEND": "tests.sessions.caches.BrokenCache"}}
    clock.now += 900
    stream.tick()
    await started[0]
    assert caplog.messages == ["an open stream may be forgotten"]


@pytest.mark.parametrize("kind", ["call", "standalone"])
async def test_id_says_the_kind_of_its_stream(kind: Kind) -> None:
    """Our choice: also when nothing more is known of it."""
    assert kind_of(await make(kind).open()) == kind


@pytest.mark.parametrize("id", ["", "s", "s.", "s.-1", "x.abc-1", "abc-1", "s.a b-1"])
def test_text_that_is_no_id_of_ours_is_of_no_kind(id: str) -> None:
    """Our choice."""
    assert kind_of(id) is None


async def test_events_expire(settings: Settings) -> None:
    """Our choice: MCP["EVENT_STORE_SECONDS"]."""
    settings.MCP = {"EVENT_STORE_CACHE": "default", "EVENT_STORE_SECONDS": 1e-9}
    [id] = await fill(make(), 1)
    with pytest.raises(LookupError):
        await replay("session", id)


@pytest.mark.parametrize("last_event_id", ["{name}-0", "{name}-9", "{name}-", "{name}"])
async def test_numbers_that_were_not_given_are_refused(last_event_id: str) -> None:
    """Our choice: nothing could be said to follow."""
    [id, *_] = await fill(make(), 5)
    name = id.rpartition("-")[0]
    with pytest.raises(LookupError):
        await replay("session", last_event_id.format(name=name))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id=st.text() | st.from_regex(r"\A[\w-]{1,50}-[0-9]{1,12}\Z"))
def test_no_text_raises_anything_else(id: str) -> None:
    """Our choice: whatever a client sends, also what caches warn of."""
    with pytest.raises(LookupError):
        anyio.run(replay, "session", id)


@pytest.mark.parametrize(("alias", "expected"), [(None, False), ("default", True)])
def test_event_store_is_off_unless_the_setting_names_a_cache(
    settings: Settings, alias: str | None, expected: bool
) -> None:
    """Our choice: MCP["EVENT_STORE_CACHE"]."""
    settings.MCP = {"EVENT_STORE_CACHE": alias}
    assert is_enabled() is expected
