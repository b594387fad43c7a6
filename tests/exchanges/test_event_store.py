"""The event store: events of streams, for clients that come back."""

import json
from typing import Any

import anyio
import pytest
from django.core.cache import caches
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django.exchanges.event_store import Replay, abandon, replay, replay_after
from tests.exchanges.stored import Clock, Streams, result, stop
from tests.worker.layers import until


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
    """Our choice: a client that comes back does not wait for more."""
    answered, cancelled = streams.make(), streams.make()
    id = await answered.append(b"1", is_last=True)
    assert (await replay("session", id)).is_ended
    [id] = await streams.fill(cancelled, 1)
    await cancelled.end()
    await streams.writes.flush()
    assert (await replay("session", id)).is_ended


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


def answers_in(replayed: Replay) -> list[Any]:
    """Give the ids and codes of the errors among the events."""
    parsed = [json.loads(data) for _, data in replayed.events]
    errors = [e for e in parsed if isinstance(e, dict) and "error" in e]
    return [(error["id"], error["error"]["code"]) for error in errors]


async def test_stream_of_a_worker_that_lives_is_not_abandoned(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: its lease is looked at once more."""
    stream = streams.make(clock=clock, expected=[1])
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


async def test_stream_that_several_workers_abandon_ends_with_one_error(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: several clients may come back for it, to several workers."""
    stream = streams.make(clock=clock, expected=[1])
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


async def test_answers_of_an_abandoned_batch_are_kept(
    streams: Streams, clock: Clock
) -> None:
    """Our choice: only the requests without an answer get the error."""
    stream = streams.make(clock=clock, expected=[1, "1", 2])
    id = await stream.open()
    await stream.append(result("1"), is_last=False)
    await streams.writes.flush()
    await stop(streams, clock)
    await abandon("session", id.rpartition("-")[0])
    ended = await replay("session", id)
    assert ended.events[0][1] == result("1")
    assert answers_in(ended) == [(1, -32603), (2, -32603)]
