"""Clients that come back for what they have missed, by `Last-Event-ID`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.lowlevel
import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from pytest_django import Settings

from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.followers import Followers
from mcp_django.exchanges.session_id import read_session_id
from mcp_django.protocol import versions
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Connection
from tests.consumers.credentials import token_of
from tests.consumers.shop import runs, server
from tests.consumers.streamable import (
    EVERYTHING,
    JSON_ONLY,
    Session,
    arrival,
    call_of,
    events_of,
    finish,
    messages_of,
    open_session,
    progress,
    read_message,
    standalone,
    text_of,
    with_progress,
)
from tests.patience import PATIENCE_SECONDS
from tests.site.mcp import Door
from tests.worker.caches import HangingCache

NOTHING_KEPT = (
    400,
    -32600,
    "nothing is kept after this Last-Event-ID; send the request again, or open a "
    "stream without it",
)
MCP = {"AUTHENTICATION": [], "EVENT_STORE_CACHE": "default", "RETRY_MS": 1500}
REPORT = with_progress(call_of("report", steps=3, door="here"))
LEAVE = with_progress(call_of("leave", door="here"))


@pytest.fixture(autouse=True)
def with_event_store(settings: Settings) -> None:
    """Keep events, and let everybody in."""
    settings.MCP = MCP
    runs.clear()


@asynccontextmanager
async def resumed(session: Session, id: str) -> AsyncIterator[Connection]:
    """Come back for what follows an event."""
    stream = await session.get(last_event_id=id)
    try:
        assert stream.status == 200
        yield stream
    finally:
        await stream.go_away()


async def until_idle() -> None:
    """Wait until no call runs any more."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(current_worker().connections):
            await anyio.lowlevel.checkpoint()


async def forget(alias: str = "default") -> None:
    """Empty a cache, when it has all that was sent."""
    await current_worker().part(EventWrites).flush()
    caches[alias].clear()


# Calls ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions.LEGACY)
async def test_stream_begins_with_an_event_without_data_where_clients_know_it(
    version: str,
) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server": a client of
    an older version would read its data as JSON."""
    session = await open_session(version)

    response = await session.post(with_progress(call_of("report", steps=2)))

    is_primed = version >= "2025-11-25"
    first = events_of(response)[0]
    assert (first.data == "") == is_primed
    assert (first.retry_ms == 1500) == is_primed
    ids = [event.id for event in events_of(response)]
    assert len(set(ids)) == len(ids) == 3 + is_primed
    assert messages_of(response)[:2] == [progress(1, 2), progress(2, 2)]


async def test_plain_answer_is_still_json() -> None:
    """Chosen: an event store makes no stream of what needs none."""
    session = await open_session()

    response = await session.post(call_of("add", a=1, b=2))

    assert text_of(response.json()) == "3"


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_client_that_lost_its_connection_gets_the_rest_in_order_and_once(
    door: Door, version: str
) -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    session = await open_session(version)
    stream = await session.open_post(REPORT)
    events = [await stream.read_event() for _ in range(1 + session.primes)]
    last = events[-1]
    assert json.loads(last.data) == progress(1, 3)
    await stream.read_event()  # lost on the way
    await stream.go_away()
    door.open()

    async with resumed(session, last.id) as again:
        response = await finish_stream(again)

    assert messages_of(response)[:2] == [progress(2, 3), progress(3, 3)]
    assert text_of(messages_of(response)[2]) == "reported"
    assert len(messages_of(response)) == 3


async def finish_stream(stream: Connection) -> Any:
    """Wait until the server has ended a stream, and give the response."""
    await stream.wait_for_end()
    return stream.response


async def test_client_may_come_back_while_the_call_still_runs(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, as above."""
    session = await open_session()
    stream = await session.open_post(REPORT)
    primed = await stream.read_event()
    await stream.go_away()

    async with resumed(session, primed.id) as again:
        assert await read_message(again) == progress(1, 3)
        assert await read_message(again) == progress(2, 3)
        assert runs.cancelled == []
        door.open()
        assert await read_message(again) == progress(3, 3)
        assert text_of(await read_message(again)) == "reported"
        await again.wait_for_end()


async def test_client_may_come_back_after_the_call_has_ended(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, as above."""
    session = await open_session()
    stream = await session.open_post(REPORT)
    primed = await stream.read_event()
    await arrival(door)
    await stream.go_away()
    door.open()
    await until_idle()

    # Any number of times, as long as it is kept.
    for _ in range(2):
        async with resumed(session, primed.id) as again:
            response = await finish_stream(again)
        assert len(messages_of(response)) == 4


async def test_client_that_has_seen_all_is_told_that_there_is_no_more() -> None:
    """Chosen: 405, at which clients that would come back for ever give up."""
    session = await open_session()
    response = await session.post(with_progress(call_of("report", steps=1)))
    last = events_of(response)[-1]

    refused = await finish(await session.get(last_event_id=last.id))

    assert refused.error() == (
        405,
        -32600,
        "this stream has ended, and nothing more will come on it",
    )
    assert refused.header("allow") == "POST, DELETE"


async def test_handler_may_send_its_client_away_and_go_on(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server": the server
    may close the connection without terminating the stream."""
    session = await open_session()
    stream = await session.open_post(LEAVE)
    primed = await stream.read_event()
    event = await stream.read_event()
    await stream.wait_for_end()
    await stream.go_away()
    assert (primed.data, primed.retry_ms) == ("", 1500)
    assert json.loads(event.data) == progress(1)
    assert runs.cancelled == []

    async with resumed(session, event.id) as again:
        door.open()
        assert await read_message(again) == progress(2)
        assert text_of(await read_message(again)) == "came back"
        await again.wait_for_end()


async def test_handler_may_say_when_its_client_shall_come_back(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, as above: a `retry` field."""
    session = await open_session()
    message = call_of("leave", door="here", retry_ms=77)

    response = await session.post_and_leave(message)
    await session.cancel(1)

    assert response.body.endswith(b"retry: 77\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "accept"),
    [("2025-06-18", None), ("2025-11-25", JSON_ONLY)],
)
async def test_client_that_could_not_come_back_is_not_sent_away(
    door: Door, version: str, accept: str | None
) -> None:
    """Chosen: `close_stream` does nothing there."""
    session = await open_session(version)
    more = {} if accept is None else {"accept": accept}
    call = session.begin_post(call_of("leave", door="here"), **more)
    await arrival(door)
    door.open()

    assert text_of((await finish(call)).json()) == "came back"


async def test_call_may_be_cancelled_while_its_client_is_away(door: Door) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: the stream ends."""
    session = await open_session()
    response = await session.post_and_leave(LEAVE)
    event = events_of(response)[-1]
    async with resumed(session, event.id) as again:
        await session.cancel(1)
        response = await finish_stream(again)

    assert messages_of(response) == []


async def test_end_of_a_session_ends_its_resumed_streams(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management"."""
    session = await open_session()
    event = events_of(await session.post_and_leave(LEAVE))[-1]
    async with resumed(session, event.id) as again:
        await session.delete()
        response = await finish_stream(again)

    assert messages_of(response) == []
    await until_idle()


async def test_question_is_kept_for_a_client_that_comes_back() -> None:
    """Chosen: the handler goes on when the answer comes."""
    session = await open_session(capabilities=EVERYTHING)
    stream = await session.open_post(call_of("confirm"))
    primed = await stream.read_event()
    await stream.go_away()

    async with resumed(session, primed.id) as again:
        question = await read_message(again)
        answer = {"action": "accept", "content": {"ok": True}}
        assert (await session.reply(question, answer)).status == 202
        assert text_of(await read_message(again)) == "accept: True"
        await again.wait_for_end()


async def test_json_answer_of_a_client_that_is_gone_is_not_kept(door: Door) -> None:
    """Chosen: it has no event id to come back with."""
    session = await open_session()
    call = session.begin_post(call_of("hold", door="here"))
    await arrival(door)
    await call.go_away()
    door.open()
    await until_idle()

    assert call.response.body == b""


# What cannot be resumed -------------------------------------------------------------


@pytest.mark.parametrize(
    "id",
    [
        "",
        "unknown",
        "unknown-1",
        "-1",
        "-",
        "a b-1",
        "a\x7f-1",
        "\u00e9-1",
        "\u00b2-\u00b2",
        "a-" + "9" * 50,
        "a" * 5000 + "-1",
        "x" * 250 + "-1",
    ],
)
async def test_unknown_event_is_refused(id: str) -> None:
    """Chosen: 400, whereas 404 would end the session."""
    session = await open_session()

    response = await finish(await session.get(last_event_id=id))

    assert response.error() == NOTHING_KEPT
    assert await session.ask("ping") == {}


async def kept_event(session: Session) -> str:
    """Give the id of the first event of a call that has ended."""
    response = await session.post(with_progress(call_of("report", steps=3)))
    return events_of(response)[0].id


async def test_number_of_an_event_that_there_was_not_is_refused() -> None:
    """Chosen: nothing is missing, or nobody knows what is."""
    session = await open_session()
    name, _, number = (await kept_event(session)).rpartition("-")
    assert number == "1"
    for wrong in ("0", "6", "999999999"):
        response = await finish(await session.get(last_event_id=f"{name}-{wrong}"))
        assert response.error() == NOTHING_KEPT


async def test_events_of_another_session_are_not_found(
    settings: Settings, ada: User
) -> None:
    """Spec: 2025-11-25 basic/transports: not of a different stream; chosen: not even
    of the same user."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}
    headers = await token_of(ada)
    session = await open_session(headers=headers)
    other = await open_session(headers=headers)
    id = await kept_event(session)

    response = await finish(await other.get(last_event_id=id))

    assert response.error() == NOTHING_KEPT
    async with resumed(session, id) as again:
        assert len(messages_of(await finish_stream(again))) == 4


async def test_event_whose_successors_are_no_longer_kept_is_refused(
    settings: Settings,
) -> None:
    """Chosen: MCP["EVENT_STORE_EVENTS"]; a gap would be worse."""
    settings.MCP = {**MCP, "EVENT_STORE_EVENTS": 3}
    session = await open_session()
    response = await session.post(with_progress(call_of("report", steps=5)))
    ids = [event.id for event in events_of(response)]
    assert len(ids) == 7

    gone = await finish(await session.get(last_event_id=ids[2]))
    async with resumed(session, ids[3]) as again:
        kept = messages_of(await finish_stream(again))

    assert gone.error() == NOTHING_KEPT
    assert [message.get("id") for message in kept] == [None, None, 1]


async def test_events_that_were_lost_are_not_skipped() -> None:
    """Chosen: caches may throw away what they like."""
    session = await open_session()
    id = await kept_event(session)
    await forget()

    assert (await finish(await session.get(last_event_id=id))).error() == NOTHING_KEPT


async def test_without_an_event_store_nothing_can_be_resumed(
    settings: Settings,
) -> None:
    """Chosen: MCP["EVENT_STORE_CACHE"] is not set by default."""
    session = await open_session()
    id = await kept_event(session)
    settings.MCP = {"AUTHENTICATION": []}

    assert (await finish(await session.get(last_event_id=id))).error() == NOTHING_KEPT


async def test_stream_whose_events_vanish_meanwhile_ends(door: Door) -> None:
    """Chosen: the client asks again, and is told that there is nothing."""
    session = await open_session()
    event = events_of(await session.post_and_leave(LEAVE))[-1]
    async with resumed(session, event.id) as again:
        await forget()
        worker = current_worker()
        name = event.id.rpartition("-")[0]
        followers = worker.part(Followers)
        for (key, stream_name), has_more in list(followers._events.items()):
            assert stream_name == name
            assert key
            has_more.set()
        await again.wait_for_end()
    await session.cancel(1)
    await until_idle()


# While the cache is away ------------------------------------------------------------

LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
AWAY = {"BACKEND": "tests.worker.caches.BrokenCache"}
HANGING = {"BACKEND": "tests.worker.caches.HangingCache"}


async def test_call_whose_events_cannot_be_kept_is_answered_without_event_ids(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a client that could not come back must not believe that it can."""
    settings.CACHES = {"default": LOCMEM, "events": AWAY}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events"}
    session = await open_session()

    response = await session.post(with_progress(call_of("report", steps=1)))

    assert [message.get("id") for message in messages_of(response)] == [None, 1]
    assert {event.id for event in events_of(response)} == {""}
    [line] = caplog.messages
    assert line.startswith("the cache 'events' does not answer: lost streams cannot")
    assert text_of((await session.post(call_of("add", a=1))).json()) == "2"
    await until_idle()


async def test_call_does_not_wait_for_an_event_store_that_hangs(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: MCP["CACHE_TIMEOUT"] bounds what it costs, however many events."""
    settings.CACHES = {"default": LOCMEM, "events": HANGING}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events", "CACHE_TIMEOUT": 0.05}
    HangingCache.begin()
    try:
        session = await open_session()
        response = await session.post(with_progress(call_of("report", steps=9)))
        ids = [message.get("id") for message in messages_of(response)]
        assert ids == [None] * 9 + [1]
        assert len(HangingCache.hanging) == 1
        assert len(caplog.messages) == 1  # of the cache
    finally:
        HangingCache.works.set()
    await until_idle()


async def test_cancelled_call_ends_although_its_end_cannot_be_kept(
    settings: Settings, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the connection must not hang."""
    session = await open_session()
    stream = await session.open_post(REPORT)
    await arrival(door)
    settings.CACHES = {"default": LOCMEM, "events": AWAY}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events"}
    await session.cancel(1)

    response = await finish(stream)

    assert len(messages_of(response)) == 2
    assert len(caplog.messages) == 1  # of the cache
    await until_idle()


async def test_question_that_cannot_be_kept_in_mind_is_not_asked(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the user would not hear of the end of the visit."""
    settings.MCP = {"AUTHENTICATION": []}
    session = await open_session(capabilities=EVERYTHING)
    settings.CACHES = {"default": AWAY}

    answer = (await session.post(call_of("visit"))).json()

    assert answer["error"]["message"] == (
        "the site's cache does not answer; try again in 5 seconds"
    )
    assert len(caplog.messages) == 1  # of the cache
    await until_idle()


# Standalone streams -----------------------------------------------------------------

TOOLS_CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
PROMPTS_CHANGED = {"jsonrpc": "2.0", "method": "notifications/prompts/list_changed"}
LISTS_CHANGED = [
    TOOLS_CHANGED,
    {"jsonrpc": "2.0", "method": "notifications/resources/list_changed"},
    PROMPTS_CHANGED,
]


async def test_standalone_stream_is_resumed_after_its_last_event() -> None:
    """Spec: 2025-11-25 basic/transports: however the stream was initiated."""
    session = await open_session()
    async with standalone(session) as stream:
        server.tools_changed()
        first = await stream.read_event()
        server.prompts_changed()
        await stream.read_event()  # lost on the way
    assert json.loads(first.data) == TOOLS_CHANGED

    async with resumed(session, first.id) as again:
        assert await read_message(again) == PROMPTS_CHANGED
        # It may have missed more while it was away.
        assert [await read_message(again) for _ in range(3)] == LISTS_CHANGED
        server.tools_changed()
        event = await again.read_event()
        assert json.loads(event.data) == TOOLS_CHANGED
    name, _, number = event.id.rpartition("-")
    assert first.id.startswith(f"{name}-")

    async with resumed(session, f"{name}-{int(number) - 1}") as again:
        assert await read_message(again) == TOOLS_CHANGED


@pytest.mark.parametrize("version", versions.LEGACY)
async def test_standalone_stream_is_primed_where_clients_know_it(version: str) -> None:
    """Spec: 2025-11-25 basic/transports, as for calls."""
    session = await open_session(version)
    stream = await session.get()
    first = await stream.read_chunk()
    await stream.go_away()

    assert first.startswith(b"id: ") == (version >= "2025-11-25")


async def test_resumed_call_does_not_displace_the_standalone_stream() -> None:
    """Chosen: a GET with `Last-Event-ID` touches no stream but its own."""
    session = await open_session()
    id = await kept_event(session)
    async with standalone(session) as stream:
        async with resumed(session, id) as again:
            assert len(messages_of(await finish_stream(again))) == 4
        server.tools_changed()

        assert await read_message(stream) == TOOLS_CHANGED


async def test_resumed_standalone_stream_is_the_one_of_its_session() -> None:
    """Chosen: the older may not know yet that its client is gone."""
    session = await open_session()
    async with standalone(session) as stream:
        server.tools_changed()
        first = await stream.read_event()
        async with resumed(session, first.id) as again:
            await stream.wait_for_end()
            assert [await read_message(again) for _ in range(3)] == LISTS_CHANGED
            server.prompts_changed()

            assert await read_message(again) == PROMPTS_CHANGED
        assert stream.response.body.endswith(b"retry: 10000\r\n\r\n")


@pytest.mark.parametrize("store", ["default", None])
@pytest.mark.parametrize("version", versions.LEGACY)
async def test_client_of_a_stream_of_its_own_comes_back_after_a_restart_takes(
    settings: Settings, version: str, store: str | None
) -> None:
    """Chosen: common clients try twice within 2.5 s where they are told nothing, and
    give up; older ones do not know events without data."""
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": store}
    session = await open_session(version)
    stream = await session.get()
    first = await stream.read_chunk()
    await stream.go_away()

    assert (b"retry: 5000\r\n" in first) == (version >= "2025-11-25")


async def test_client_that_resumes_its_stream_is_told_when_to_come_back() -> None:
    """Chosen: also on the rest of a call's stream, which is a GET."""
    session = await open_session()
    ids = [await kept_event(session)]
    async with standalone(session) as stream:
        server.tools_changed()
        ids.append((await stream.read_event()).id)
    for id in ids:
        async with resumed(session, id) as again:
            assert await again.read_chunk() == b"retry: 5000\r\n\r\n"


# What nobody knows of any more ------------------------------------------------------

EVENTS = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "e"}
STOCK_UPDATED = {
    "jsonrpc": "2.0",
    "method": "notifications/resources/updated",
    "params": {"uri": "shop://stock"},
}


async def next_message(stream: Connection) -> Any:
    """Wait for the next message of a stream, which may begin with an event without."""
    event = await stream.read_event()
    return json.loads(event.data) if event.data else await read_message(stream)


@asynccontextmanager
async def behind(session: Session, id: str) -> AsyncIterator[Connection]:
    """Come back, and be told that everything may have changed."""
    async with resumed(session, id) as stream:
        told = [await next_message(stream) for _ in range(4)]
        assert told == [*LISTS_CHANGED, STOCK_UPDATED]
        yield stream


async def listening_session(
    headers: Mapping[str, str] | None = None,
) -> tuple[Session, str]:
    """Open a session with subscriptions, and give the id of an event of its stream."""
    session = await open_session(headers=headers)
    await session.ask("resources/subscribe", {"uri": "shop://stock"})
    async with standalone(session) as stream:
        server.tools_changed()
        event = await stream.read_event()
        server.prompts_changed()
        await stream.read_event()  # lost on the way
    return session, event.id


@pytest.mark.parametrize(
    "loss", ["restart", "expiry", "gap", "switched off", "store away"]
)
async def test_client_whose_missed_notices_are_lost_is_told_that_all_may_have_changed(
    settings: Settings, loss: str
) -> None:
    """Chosen: clients give up at an error, and would hear of nothing any more."""
    settings.CACHES = {"default": LOCMEM, "events": EVENTS}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events"}
    session, id = await listening_session()
    match loss:
        case "restart":
            await forget("events")
        case "expiry":
            name = id.rpartition("-")[0]
            read = read_session_id(session.id)
            assert read is not None
            await current_worker().part(EventWrites).flush()
            caches["events"].delete(f"mcp_django:{read.key}:stream:{name}")
        case "gap":
            settings.MCP = {**settings.MCP, "EVENT_STORE_EVENTS": 0}
        case "switched off":
            settings.MCP = MCP | {"EVENT_STORE_CACHE": None}
        case _:
            settings.CACHES = {"default": LOCMEM, "events": AWAY}

    async with behind(session, id) as stream:
        server.tools_changed()
        assert await read_message(stream) == TOOLS_CHANGED


@pytest.mark.parametrize("version", versions.LEGACY)
async def test_client_is_told_of_what_changed_between_two_of_its_streams(
    version: str,
) -> None:
    """Chosen: nobody keeps a change for a session that has no stream, so that whoever
    comes back is told that everything may have changed, whatever is kept."""
    session = await open_session(version)
    await session.ask("resources/subscribe", {"uri": "shop://stock"})
    async with standalone(session) as stream:
        server.tools_changed()
        id = (await stream.read_event()).id
    server.resource_updated("shop://stock")
    server.prompts_changed()

    for _ in range(2):
        async with resumed(session, id) as again:
            events = [await again.read_event() for _ in range(4)]
        told = [json.loads(event.data) for event in events]
        assert told == [*LISTS_CHANGED, STOCK_UPDATED]
        id = events[-1].id


async def test_stream_of_who_was_told_of_everything_can_be_resumed_in_turn(
    settings: Settings,
) -> None:
    """Chosen: what it was told is kept as any other event."""
    settings.CACHES = {"default": LOCMEM, "events": EVENTS}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events"}
    session, id = await listening_session()
    await forget("events")
    stream = await session.get(last_event_id=id)
    primed = await stream.read_event()
    event = await stream.read_event()
    assert primed.id != id
    await stream.read_event()
    await stream.go_away()

    async with resumed(session, event.id) as again:
        assert (await read_message(again))["method"].endswith("resources/list_changed")


async def test_id_of_another_sessions_stream_gives_a_new_one_of_ones_own(
    settings: Settings, ada: User
) -> None:
    """Chosen: nothing is read of the other; to make ids up gives what no id gives."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}
    headers = await token_of(ada)
    _, id = await listening_session(headers)
    session = await open_session(headers=headers)

    async with resumed(session, id) as stream:
        methods = [(await next_message(stream))["method"] for _ in range(3)]
        server.tools_changed()
        assert await read_message(stream) == TOOLS_CHANGED
    assert all(method.endswith("list_changed") for method in methods)


async def test_resources_that_cannot_be_read_do_not_keep_the_lists_from_being_told(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: while the cache of sessions is away."""
    settings.CACHES = {"default": LOCMEM, "events": EVENTS}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events"}
    session, id = await listening_session()
    settings.CACHES = {"default": AWAY, "events": AWAY}

    async with resumed(session, id) as stream:
        for _ in range(3):
            assert (await read_message(stream))["method"].endswith("list_changed")
    assert len(caplog.messages) == 2  # one of each cache


async def test_standalone_stream_goes_on_without_its_events_being_kept(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a client that came back at once, again and again, would help nobody."""
    session = await open_session()
    settings.CACHES = {"default": LOCMEM, "events": AWAY}
    settings.MCP = {**MCP, "EVENT_STORE_CACHE": "events"}
    async with standalone(session) as stream:
        server.tools_changed()
        event = await stream.read_event()

    assert (event.id, json.loads(event.data)) == ("", TOOLS_CHANGED)
    assert len(caplog.messages) == 1  # of the cache
