"""What a worker knows of sessions over Streamable HTTP: two, joined by one layer."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from django.core.cache import caches
from mcp_types.jsonrpc import RequestId
from pytest_django import Settings

from mcp_django import Server
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.open_sessions import NOT_ASKED, HTTPSessions
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import CachedState, has_ended, note_end
from mcp_django.protocol import jsonrpc
from mcp_django.server.asking import Question
from mcp_django.server.notices import Notice
from mcp_django.sessions.registry import Registry
from mcp_django.worker.acknowledgement import ACCEPTED, BROKEN, Taken
from mcp_django.worker.relay import Relay
from mcp_django.worker.sealed_ids import make_ask_id
from mcp_django.worker.tasks import LoopTasks
from tests.exchanges.http_sessions import open_session
from tests.worker.caches import DelayingCache
from tests.worker.layers import PATIENCE_SECONDS, Layer, quiet, until

QUESTION: Question[Any] = Question("key", "roots/list", {}, lambda result: result)


class Worker:
    """What `HTTPSessions` need of their worker."""

    def __init__(self, layer: Layer | None) -> None:
        self.tasks = LoopTasks()
        self.relay = Relay(
            layer,
            find=Registry().find,
            on_notice=lambda server_name, notice: None,
            take_answer=lambda *answer: self.http.take_answer(*answer),
            on_told=lambda told: self.http.hear(told),
        )
        self.http = HTTPSessions(
            self.relay, lambda coroutine: self.tasks.start(coroutine, lambda: None)
        )


class Stream:
    """A standalone stream that notes what happens to it."""

    def __init__(self, age: float = 0, *, server_name: str = "shop") -> None:
        self.opened_at = (time.time() - age, f"{id(self)}")
        self.server = Server(server_name)
        self.told: list[Notice] = []
        self.is_displaced = False
        self.is_closed = False

    def put(self, notice: Notice) -> None:
        self.told.append(notice)

    async def tell_everything(self) -> None: ...

    async def recheck(self) -> None: ...

    async def displace(self) -> None:
        self.is_displaced = True

    async def close(self) -> None:
        self.is_closed = True


class Call:
    """A request that notes whether it is cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[RequestId] = []

    def cancel(self, id: RequestId) -> None:
        self.cancelled.append(id)


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def session() -> HTTPSession:
    return open_session()


@asynccontextmanager
async def joined(layer: Layer | None) -> AsyncIterator[tuple[Worker, Worker]]:
    """Give two workers, joined by a layer, that hear of each other."""
    workers = Worker(layer), Worker(layer)
    for worker in workers:
        await worker.relay.open()
    try:
        yield workers
    finally:
        for worker in workers:
            await worker.relay.close()
            await worker.tasks.end()


# Ends -------------------------------------------------------------------------------


async def test_end_is_heard_of_by_every_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: at once, and without the cache."""
    async with joined(layer) as (one, two):
        assert await two.http.is_open(session)
        stream, call, other_call = Stream(), Call(), Call()
        await two.http.add_stream(session, stream)
        two.http.add_call(session, 1, call)
        two.http.add_call(open_session(), 1, other_call)
        await one.http.end(session)
        assert not await one.http.is_open(session)
        await until(lambda: stream.is_closed)
        caches["default"].clear()
        assert not await two.http.is_open(session)
    assert call.cancelled == [1]
    assert other_call.cancelled == []


async def test_end_is_in_the_cache_for_workers_that_start_later(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: also after a restart of all of them."""
    async with joined(layer) as (one, _):
        await one.http.end(session)
    async with joined(Layer()) as (later, _):
        assert not await later.http.is_open(session)


async def test_end_that_the_cache_did_not_take_is_kept_when_it_is_back(
    session: HTTPSession, settings: Settings
) -> None:
    """We promise it: the client is told 503, and need not try again."""
    settings.MCP = {"AWAY_SECONDS": 0.05}
    working = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    worker, other = Worker(None), open_session()
    for ended in (session, other):
        with pytest.raises(ServiceAway):
            await worker.http.end(ended)
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
        assert await one.http.is_open(session)
        await note_end(session)
        assert await one.http.is_open(session)
        settings.MCP = {"RECHECK_SECONDS": 0}
        assert not await one.http.is_open(session)
        caches["default"].clear()
        assert not await one.http.is_open(session)


async def test_worker_that_hears_of_no_ends_asks_the_cache_each_time(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: while the layer is broken."""

    def fail() -> None:
        raise ConnectionError("no Redis")

    layer.on_join = fail
    worker = Worker(layer)
    assert await worker.http.is_open(session)
    await note_end(session)
    assert not await worker.http.is_open(session)


async def test_calls_of_one_id_are_cancelled_together(session: HTTPSession) -> None:
    """Our choice: no call of a session that has ended runs on (Spec: 2025-11-25 basic,
    "Requests": clients use no id twice)."""
    worker = Worker(None)
    calls = [Call(), Call(), Call()]
    for call in calls:
        worker.http.add_call(session, 1, call)
    worker.http.remove_call(session, 1, calls[1])
    worker.http.remove_call(session, 1, calls[1])
    await worker.http.end(session)
    assert [call.cancelled for call in calls] == [[1], [], [1]]


async def test_without_a_layer_there_is_nobody_else_to_hear_from(
    session: HTTPSession,
) -> None:
    """Our choice: all works in one process."""
    worker = Worker(None)
    call = Call()
    worker.http.add_call(session, 1, call)
    assert await worker.http.is_open(session)
    await worker.http.end(session)
    assert not await worker.http.is_open(session)
    assert call.cancelled == [1]


async def test_sessions_go_on_while_the_cache_is_away(
    layer: Layer,
    session: HTTPSession,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: no session ends because the site has a trouble."""
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    async with joined(layer) as (one, two):
        assert await one.http.is_open(session)
        assert await two.http.is_open(session)
    [line] = caplog.messages
    assert line.startswith("the cache 'default' does not answer: ")


async def test_end_and_cancellation_that_a_group_lost_arrive_all_the_same(
    layer: Layer, session: HTTPSession
) -> None:
    """We promise it: they are told a second time, to each worker that is known."""
    async with joined(layer) as (one, two):
        await quiet(layer)  # They know of each other now.
        call, other_call = Call(), Call()
        two.http.add_call(session, 1, call)
        two.http.add_call(session, 2, other_call)
        layer.groups.clear()
        await one.http.cancel(session, 1)
        await until(lambda: call.cancelled == [1])
        await one.http.end(session)
        await until(lambda: other_call.cancelled == [2])


# Streams ----------------------------------------------------------------------------


async def test_notices_keep_their_order_whatever_the_cache_answers_first(
    settings: Settings,
) -> None:
    """Our choice: the threads of the cache run side by side."""

    path = "tests.worker.caches.DelayingCache"
    settings.CACHES = {"default": {"BACKEND": path}}
    DelayingCache.works.set()
    worker, stream, session = Worker(None), Stream(), open_session()
    server = Server(session.server_name)
    stream.server = server
    uris = ["shop://first", "shop://second"]
    for uri in uris:
        await CachedState(session, server).subscribe(uri)
    await worker.http.add_stream(session, stream)
    DelayingCache.begin()
    telling = []
    for uri in uris:
        notice = Notice("resource", uri)
        telling.append(asyncio.create_task(worker.http.notify(server.name, notice)))
        # The first one is asked for, and then the second one is answered for.
        await asyncio.to_thread(DelayingCache.has_more.acquire, True, PATIENCE_SECONDS)
    DelayingCache.works.set()
    await asyncio.gather(*telling)
    assert [notice.subject for notice in stream.told] == uris


async def test_newest_stream_of_a_session_wins(session: HTTPSession) -> None:
    """Our choice: a client that has lost its stream opens another one."""
    worker = Worker(None)
    older, newer, other = Stream(), Stream(), Stream()
    await worker.http.add_stream(open_session(), other)
    await worker.http.add_stream(session, older)
    await worker.http.add_stream(session, newer)
    assert [s.is_displaced for s in (older, newer, other)] == [True, False, False]
    worker.http.remove_stream(session, older)
    await worker.http.notify("shop", Notice("tools"))
    assert [len(s.told) for s in (older, newer, other)] == [0, 1, 1]


async def test_stream_that_was_opened_first_does_not_win_by_being_slow(
    session: HTTPSession,
) -> None:
    """Our choice: streams of one session may be opened at the same time."""
    worker = Worker(None)
    older, newer = Stream(), Stream()
    await worker.http.add_stream(session, newer)
    await worker.http.add_stream(session, older)
    assert (older.is_displaced, newer.is_displaced) == (True, False)


async def test_newest_stream_wins_at_any_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Spec: 2025-11-25 basic/transports, "Multiple Connections": no message twice."""
    async with joined(layer) as (one, two):
        older, newer, other = Stream(), Stream(), Stream()
        await one.http.add_stream(open_session(), other)
        await one.http.add_stream(session, older)
        await quiet(layer)
        await two.http.add_stream(session, newer)
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
            one.http.add_stream(session, older),
            two.http.add_stream(session, newer),
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
        await one.http.add_stream(session, older)
        await quiet(layer)
        await two.http.add_stream(session, newer)
        await until(lambda: older.is_displaced)
        await quiet(layer)
    assert not newer.is_displaced


async def test_only_those_who_wish_are_told(session: HTTPSession) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    worker = Worker(None)
    mine, other, foreign = Stream(), Stream(), Stream(server_name="other")
    await worker.http.add_stream(session, mine)
    await worker.http.add_stream(open_session(), other)
    await worker.http.add_stream(open_session(), foreign)
    await CachedState(session, mine.server).subscribe("shop://stock")
    stock, tools = Notice("resource", "shop://stock"), Notice("tools")
    await worker.http.notify("shop", stock)
    await worker.http.notify("shop", tools)
    await worker.http.notify("nobody's", tools)
    assert mine.told == [stock, tools]
    assert other.told == [tools]
    assert foreign.told == []


async def test_events_of_a_stream_wake_whoever_follows_it_at_any_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: a client may come back to another worker."""
    async with joined(layer) as (one, two):
        followers = [
            one.http.follow(session, "stream"),
            two.http.follow(session, "stream"),
            two.http.follow(session, "other stream"),
            two.http.follow(open_session(), "stream"),
        ]
        await one.http.tell_followers(session, "stream")
        with anyio.fail_after(PATIENCE_SECONDS):
            await followers[0].wait()
            await followers[1].wait()
        await quiet(layer)
        assert [f.is_set() for f in followers] == [True, True, False, False]
        followers[1].clear()
        two.http.stop_following(session, "stream", asyncio.Event())
        two.http.stop_following(session, "stream", followers[1])
        await one.http.tell_followers(session, "stream")
        await quiet(layer)
        assert not followers[1].is_set()


# Calls ------------------------------------------------------------------------------


async def test_call_is_cancelled_at_any_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation; ids have a type."""
    async with joined(layer) as (one, two):
        here, there, text, other = Call(), Call(), Call(), Call()
        one.http.add_call(session, 1, here)
        two.http.add_call(session, 2, there)
        two.http.add_call(session, "2", text)
        two.http.add_call(open_session(), 2, other)
        await one.http.cancel(session, 1)
        assert here.cancelled == [1]
        await one.http.cancel(session, 2)
        await until(lambda: bool(there.cancelled))
        await one.http.cancel(session, "unknown")
        await quiet(layer)
    assert there.cancelled == [2]
    assert text.cancelled == other.cancelled == []


async def test_call_that_is_answered_is_not_cancelled(session: HTTPSession) -> None:
    """Our choice: nor is a later one by an earlier one that had its id."""
    worker = Worker(None)
    earlier, later = Call(), Call()
    worker.http.add_call(session, 1, earlier)
    worker.http.add_call(session, 1, later)
    worker.http.remove_call(session, 1, earlier)
    await worker.http.cancel(session, 1)
    worker.http.remove_call(session, 1, later)
    await worker.http.cancel(session, 1)
    assert (earlier.cancelled, later.cancelled) == ([], [1])


# Questions --------------------------------------------------------------------------


async def test_answer_finds_the_worker_that_asked(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: the id of the question says where."""
    async with joined(layer) as (one, two):
        for answering in (one, two):
            request, pending = await one.http.begin_asking(session, QUESTION)
            assert (request.method, request.params) == ("roots/list", {})
            answer = jsonrpc.result(request.id, {"roots": []})
            assert await answering.http.answer(session, answer) == ACCEPTED
            assert pending.answer == answer
            assert pending.is_answered.is_set()
            assert await answering.http.answer(session, answer) == NOT_ASKED
            one.http.end_asking(request.id)
            one.http.end_asking(request.id)
            assert await answering.http.answer(session, answer) == NOT_ASKED


async def test_answer_of_another_session_is_refused(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: who knows the id of a question is not the one who was asked."""
    async with joined(layer) as (one, two):
        request, pending = await one.http.begin_asking(session, QUESTION)
        answer = jsonrpc.result(request.id, {"roots": []})
        for answering in (one, two):
            assert await answering.http.answer(open_session(), answer) == NOT_ASKED
        assert pending.answer is None
        assert await two.http.answer(session, answer) == ACCEPTED


async def test_answer_to_what_nobody_asked_is_refused(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: 400, whereas 404 would end the session."""
    async with joined(layer) as (one, two):
        mailbox = await two.relay.open()
        own = await one.relay.open()
        ids: list[RequestId | None] = [
            "unknown",
            7,
            None,
            make_ask_id("x", mailbox),
            make_ask_id("x", own),
            make_ask_id("x", ""),
        ]
        for id in ids:
            error = jsonrpc.error(id, -1, "no")
            assert await one.http.answer(session, error) == NOT_ASKED
    assert NOT_ASKED.status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"ping"}']
)
async def test_relayed_body_that_is_no_answer_is_refused(body: bytes) -> None:
    """Our choice: such as one of another version of this package."""
    assert Worker(None).http.take_answer("x", "session", body) == NOT_ASKED


async def test_answer_is_503_while_the_layer_is_broken(
    layer: Layer, session: HTTPSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the client may post it again."""

    def fail(channel: str, message: dict[str, Any]) -> None:
        raise ConnectionError("no Redis")

    async with joined(layer) as (one, two):
        request, pending = await one.http.begin_asking(session, QUESTION)
        answer = jsonrpc.result(request.id, {"roots": []})
        layer.on_send = fail
        taken: Taken = await two.http.answer(session, answer)
        assert taken == BROKEN
        layer.on_send = None
        assert pending.answer is None
        assert await two.http.answer(session, answer) == ACCEPTED


# What is heard ----------------------------------------------------------------------


@pytest.mark.parametrize("told", [{}, {"kind": "news"}, {"kind": "stream"}])
def test_unknown_news_are_ignored(
    told: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: another worker may run another version of this package."""
    Worker(None).http.hear(told)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_memory_of_sessions_is_bounded(settings: Settings) -> None:
    """Our choice: ten thousand of each kind; the cache knows the rest."""
    worker = Worker(None)
    first = open_session()
    worker.http.hear({"kind": "ended", "session": first.key})
    assert not await worker.http.is_open(first)
    for number in range(10_000):
        worker.http.hear({"kind": "ended", "session": str(number)})
    assert await worker.http.is_open(first)
