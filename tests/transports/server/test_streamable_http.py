"""Streamable HTTP: what one POST is answered with, from the first event to the end."""

import json
from collections.abc import Callable
from typing import Any

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.exceptions import (
    BatchTooLarge,
    MessageTooLarge,
    ReaderTooSlow,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.http_headers import Accepted
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    EventStreamDecoder,
    ServerSentEvent,
)
from mcp_django.transports.server.event_log import EventLog
from mcp_django.transports.server.http_response import Headers, HTTPResponse
from mcp_django.transports.server.reply_events import ReplyLimits
from mcp_django.transports.server.reply_states import State
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.transports.server.unread import Unread, UnreadLimits
from tests.patience import PATIENCE_SECONDS

BOTH = Accepted(json=True, stream=True)
JSON_ONLY = Accepted(json=True, stream=False)
STREAM_ONLY = Accepted(json=False, stream=True)
LIMITS = ReplyLimits(
    max_event_bytes=500, stream_after_seconds=5.0, keep_alive_seconds=15.0
)


class Response(HTTPResponse):
    """A response that fails the test if it is written in the wrong order.

    Attributes:
        status: HTTP status, 0 before it is known.
        body: What was written.
        before_write: Called and awaited before each piece is written.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.body = b""
        self.is_stream = False
        self.is_ended = False
        self.is_slow = False
        self.before_write: Callable[[], Any] | None = None

    @property
    def is_congested(self) -> bool:
        return self.is_slow

    async def respond(
        self, status: int, body: bytes = b"", headers: Headers = ()
    ) -> None:
        assert not self.status
        self.status, self.headers, self.body = status, headers, body
        self.is_ended = True

    async def start_events(self, headers: Headers = ()) -> None:
        assert not self.status
        self.status, self.headers, self.is_stream = 200, headers, True
        if self.before_write is not None:
            await self.before_write()

    async def write(self, chunk: bytes) -> None:
        assert self.is_stream
        assert not self.is_ended
        if self.before_write is not None:
            await self.before_write()
        self.body += chunk

    async def end_stream(self) -> None:
        assert self.is_stream
        self.is_ended = True

    @property
    def events(self) -> list[ServerSentEvent]:
        """What a client reads of the stream."""
        assert self.is_stream
        return EventStreamDecoder(10_000).feed(self.body)

    @property
    def messages(self) -> list[Any]:
        """What a client reads, without events that have no data."""
        return [json.loads(event.data) for event in self.events if event.data]


class Log(EventLog):
    """A log in memory.

    Attributes:
        kept: Data of the events.
        told: How many events there were each time that a client was told.
        is_ended: Whether no event will follow.
        is_away: Whether nothing can be kept now.
        is_ended_by_another: Whether a client that came back was answered elsewhere.
        ticks: How often it was ticked.
    """

    retry_ms = 77
    is_lost = False

    def __init__(self) -> None:
        self.ticks = 0
        self.kept: list[bytes] = []
        self.told: list[int] = []
        self.is_ended = False
        self.is_away = False
        self.is_ended_by_another = False

    async def open(self) -> str:
        return "log-0"

    async def append(self, data: bytes, *, is_last: bool) -> str:
        if self.is_away:
            raise ConnectionError("away")
        if self.is_ended_by_another:
            raise TransportClosed("answered")
        assert not self.is_ended
        self.kept.append(data)
        self.is_ended = is_last
        return f"log-{len(self.kept)}"

    async def end(self) -> None:
        if self.is_away:
            raise ConnectionError("away")
        self.is_ended = True

    async def tell(self) -> None:
        self.told.append(len(self.kept))

    def tick(self) -> None:
        self.ticks += 1


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(
    accepted: Accepted = BOTH, *, log: EventLog | None = None, **options: Any
) -> tuple[Reply, Response, Clock]:
    """Make a reply, and give what it writes to, and its clock."""
    response, clock = Response(), Clock()
    make_log = None if log is None else lambda: log
    reply = Reply(
        response,
        accepted=accepted,
        limits=lambda: LIMITS,
        make_log=make_log,
        clock=clock,
        **options,
    )
    return reply, response, clock


async def begin(reply: Reply, clock: Clock) -> None:
    """Let it be silent for so long that it becomes a stream."""
    clock.now += LIMITS.stream_after_seconds
    await reply.tick()


def notification(number: int) -> jsonrpc.Message:
    return jsonrpc.notification("notifications/message", {"data": number})


def result(id: int) -> bytes:
    return jsonrpc.serialize(jsonrpc.result(id, {}))


def sent(*numbers: int) -> list[Any]:
    """Give notifications as a client reads them."""
    return [json.loads(jsonrpc.serialize(notification(n))) for n in numbers]


def answered(*ids: int) -> list[Any]:
    """Give answers as a client reads them."""
    return [json.loads(result(id)) for id in ids]


# JSON -------------------------------------------------------------------------------


async def test_answer_alone_is_json() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Sending Messages"."""
    reply, response, _ = make(headers=[(b"x-a", b"b")])
    assert not reply.is_ended
    await reply.answer(result(1), 404)
    assert (response.status, response.body) == (404, result(1))
    assert response.headers == [(b"x-a", b"b")]
    assert reply.is_ended


async def test_only_one_answer_is_given() -> None:
    """Spec: JSON-RPC 2.0, section 5."""
    reply, response, _ = make()
    await reply.answer(result(1))
    await reply.answer(result(2))
    await reply.break_off()
    await reply.skip()
    reply.detach()
    assert response.body == result(1)
    assert reply.is_ended


async def test_what_comes_before_the_answer_is_dropped_if_only_json_is_read() -> None:
    """Our choice: there is nowhere to put it."""
    reply, response, clock = make(JSON_ONLY, log=Log(), primes=True)
    await reply.send(notification(1))
    clock.now += 1000
    await reply.tick()
    assert await reply.release(None) is False
    await reply.answer(result(1))
    assert (response.status, response.body) == (200, result(1))


@pytest.mark.parametrize("accepted", [BOTH, STREAM_ONLY, JSON_ONLY])
async def test_nothing_can_be_sent_after_the_answer(accepted: Accepted) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: the answer ends it."""
    reply, _, _ = make(accepted)
    await reply.answer(result(1))
    with pytest.raises(TransportClosed):
        await reply.send(notification(1))


async def test_batch_is_an_array_if_only_json_is_read() -> None:
    """Spec: JSON-RPC 2.0, section 6."""
    reply, response, _ = make(JSON_ONLY, batch_size=3)
    await reply.answer(result(1))
    await reply.skip()
    assert response.status == 0
    await reply.answer(result(2))
    assert json.loads(response.body) == answered(1, 2)


async def test_batch_whose_last_answer_is_not_wanted_is_an_array_as_well() -> None:
    """Our choice: whatever order they come in."""
    reply, response, _ = make(JSON_ONLY, batch_size=2)
    await reply.answer(result(1))
    await reply.skip()
    assert json.loads(response.body) == answered(1)


# Streams ----------------------------------------------------------------------------


async def test_first_message_begins_a_stream() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Receiving Messages"."""
    reply, response, _ = make(headers=[(b"x-a", b"b")])
    await reply.send(notification(1))
    assert response.is_stream
    assert response.headers == [(b"x-a", b"b")]
    await reply.send(notification(2))
    assert not response.is_ended
    await reply.answer(result(1), 404)
    assert response.messages == [*sent(1, 2), *answered(1)]
    assert response.is_ended


async def test_answer_is_an_event_if_only_streams_are_read() -> None:
    """Spec: RFC 9110, 12.5.1."""
    reply, response, _ = make(STREAM_ONLY)
    await reply.answer(result(1))
    assert response.messages == answered(1)
    assert response.is_ended


async def test_batch_is_a_stream_if_streams_are_read() -> None:
    """Our choice: the first answer waits for no other."""
    reply, response, _ = make(batch_size=2)
    await reply.answer(result(1))
    assert response.messages == answered(1)
    await reply.answer(result(2))
    assert response.messages == answered(1, 2)
    assert response.is_ended


async def test_message_that_is_too_large_for_an_event_is_refused() -> None:
    """Our choice: the sender may send another one."""
    reply, response, _ = make(STREAM_ONLY)
    with pytest.raises(MessageTooLarge) as caught:
        await reply.answer(b"x" * 501)
    assert (caught.value.size, caught.value.limit) == (501, 500)
    with pytest.raises(MessageTooLarge):
        await reply.send(jsonrpc.notification("x" * 500))
    assert response.status == 0
    await reply.answer(result(1))
    assert response.messages == answered(1)
    assert response.is_ended


async def test_json_may_be_larger_than_an_event() -> None:
    """Our choice: clients bound events only."""
    reply, response, _ = make()
    await reply.answer(b"x" * 501)
    assert len(response.body) == 501


async def test_message_that_cannot_be_written_is_refused() -> None:
    """Our choice: the sender learns of it, the client sees nothing."""
    reply, response, _ = make()
    with pytest.raises(ValueError, match="surrogates"):
        await reply.send(jsonrpc.notification("\ud800"))
    assert response.status == 0


async def test_concurrent_messages_do_not_mix_and_none_is_lost() -> None:
    """Our choice: also while the client reads slowly; answers are the last."""
    reply, response, _ = make(batch_size=5)
    response.before_write = anyio.lowlevel.checkpoint
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(reply.send, notification(number))
        for id in range(5):
            tasks.start_soon(reply.answer, result(id))
    messages = response.messages
    assert sorted(m["id"] for m in messages if "id" in m) == [0, 1, 2, 3, 4]
    assert response.is_ended
    assert reply.is_ended


async def test_answer_that_is_not_wanted_waits_for_those_on_their_way() -> None:
    """Our choice: as above."""
    reply, response, _ = make(batch_size=2)
    response.before_write = anyio.lowlevel.checkpoint
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reply.answer, result(1))
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(reply.skip)
    assert response.messages == answered(1)
    assert response.is_ended


async def test_answer_that_cannot_be_sent_does_not_count() -> None:
    """Our choice: skipping it then does not take another's place."""
    log = Log()
    reply, response, _ = make(batch_size=2, log=log)
    log.is_away = True
    with pytest.raises(ConnectionError):
        await reply.answer(result(1))
    await reply.skip()
    assert not response.is_ended
    log.is_away = False
    await reply.answer(result(2))
    assert response.messages == answered(2)
    assert response.is_ended


async def test_answer_that_is_cancelled_on_its_way_does_not_count() -> None:
    """Our choice: as above."""
    reply, response, clock = make(batch_size=2)
    await begin(reply, clock)
    response.before_write = anyio.sleep_forever
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reply.answer, result(1))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    response.before_write = None
    await reply.skip()
    await reply.answer(result(2))
    assert response.messages == answered(2)
    assert response.is_ended


async def test_reply_without_an_answer_is_an_empty_stream() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: no response is sent."""
    reply, response, _ = make()
    await reply.skip()
    assert response.messages == []
    assert response.is_ended


async def test_json_without_an_answer_is_an_error() -> None:
    """Our choice: the client may try again."""
    reply, response, _ = make(JSON_ONLY)
    await reply.break_off()
    assert response.status == 503
    assert response.headers == ((b"retry-after", b"1"),)
    assert json.loads(response.body)["error"]["code"] == -32603


# Time -------------------------------------------------------------------------------


async def test_silent_reply_becomes_a_stream_in_time() -> None:
    """Our choice: `stream_after_seconds`."""
    reply, response, clock = make()
    clock.now += 4.9
    await reply.tick()
    assert response.status == 0
    clock.now += 0.2
    await reply.tick()
    assert response.is_stream
    await reply.answer(result(1))
    assert response.messages == answered(1)


async def test_silent_stream_is_kept_alive() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, on comments."""
    reply, response, clock = make()
    await reply.send(notification(1))
    before = response.body
    clock.now += 14.9
    await reply.tick()
    assert response.body == before
    clock.now += 0.2
    await reply.tick()
    await reply.tick()
    assert response.body == before + KEEP_ALIVE
    await reply.answer(result(1))
    clock.now += 100
    await reply.tick()
    assert response.messages == [*sent(1), *answered(1)]


async def test_log_is_ticked_until_the_answer_also_while_the_client_is_away() -> None:
    """Our choice: so that it does not forget a call that takes long."""
    log = Log()
    reply, _, clock = make(log=log, primes=True)
    await begin(reply, clock)
    await reply.tick()
    reply.detach()
    await reply.tick()
    assert log.ticks == 2
    await reply.answer(result(1))
    await reply.tick()
    assert log.ticks == 2


async def test_worker_that_ticks_does_not_wait_for_a_slow_client() -> None:
    """Our choice: other streams have to be ticked, too."""
    reply, response, clock = make()
    is_read = anyio.Event()
    await reply.send(notification(1))
    response.before_write = is_read.wait
    clock.now += 100
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reply.send, notification(2))
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE_SECONDS):
            await reply.tick()
        is_read.set()
    assert response.messages == sent(1, 2)
    response.is_slow = True
    before = response.body
    clock.now += 100
    await reply.tick()
    assert response.body == before


# Going on without the connection ----------------------------------------------------


async def test_log_has_what_the_client_was_sent_and_gives_the_ids() -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    log = Log()
    reply, response, _ = make(log=log, primes=True)
    await reply.send(notification(1))
    await reply.answer(result(1))
    assert [event.id for event in response.events] == ["log-0", "log-1", "log-2"]
    assert response.events[0].data == ""
    assert response.events[0].retry_ms == 77
    assert log.kept == [jsonrpc.serialize(notification(1)), result(1)]
    assert log.is_ended
    assert log.told == []


async def test_stream_of_a_client_that_knows_no_event_without_data_has_none() -> None:
    """Spec: 2025-11-25 changelog: older clients would read it as JSON."""
    reply, response, _ = make(log=Log())
    await reply.send(notification(1))
    assert [event.id for event in response.events] == ["log-1"]


async def test_detached_reply_goes_to_the_log_alone() -> None:
    """Spec: 2025-11-25 basic/transports: a disconnect is no cancellation."""
    log = Log()
    reply, response, clock = make(log=log)
    await reply.send(notification(1))
    before = response.body
    reply.detach()
    assert reply.can_ask
    await reply.send(notification(2))
    clock.now += 100
    await reply.tick()
    await reply.answer(result(1))
    assert response.body == before
    assert not response.is_ended
    assert len(log.kept) == 3
    assert log.told == [2, 3]
    assert log.is_ended
    assert reply.is_ended
    assert not reply.can_ask


async def test_reply_that_is_detached_meanwhile_tells_of_its_event() -> None:
    """Our choice: the client may be back already, and wait."""
    log = Log()
    reply, response, _ = make(log=log)
    await reply.send(notification(1))
    response.before_write = anyio.lowlevel.checkpoint

    class Slow(Log):
        async def append(self, data: bytes, *, is_last: bool) -> str:
            id = await super().append(data, is_last=is_last)
            reply.detach()
            return id

    log.__class__ = Slow
    await reply.send(notification(2))
    assert response.messages == sent(1)
    assert log.told == [2]


@pytest.mark.parametrize("is_begun", [True, False])
async def test_detached_reply_without_a_way_back_goes_nowhere(is_begun: bool) -> None:
    """Our choice: without a log, or before the client has any id."""
    log = None if is_begun else Log()
    reply, response, _ = make(log=log)
    if is_begun:
        await reply.send(notification(1))
    before = response.body
    assert reply.can_ask
    reply.detach()
    assert not reply.can_ask
    await reply.send(notification(2))
    await reply.answer(result(1))
    assert response.body == before
    assert log is None or log.kept == []
    assert reply.is_ended


async def test_released_reply_ends_the_connection_and_goes_on() -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    log = Log()
    reply, response, _ = make(log=log, primes=True)
    assert await reply.release(1234) is True
    assert response.is_ended
    assert not reply.is_ended
    assert response.body.endswith(b"retry: 1234\r\n\r\n")
    assert await reply.release(1234) is False
    await reply.answer(result(1))
    assert log.kept == [result(1)]
    assert log.told == [1]


@pytest.mark.parametrize(
    ("accepted", "log", "primes"),
    [(BOTH, None, True), (BOTH, Log(), False), (JSON_ONLY, Log(), True)],
)
async def test_reply_that_no_client_could_come_back_to_is_not_released(
    accepted: Accepted, log: Log | None, primes: bool
) -> None:
    """Our choice: the handler goes on, and its client waits."""
    reply, response, _ = make(accepted, log=log, primes=primes)
    assert await reply.release(None) is False
    assert response.status == 0


async def test_reply_that_is_answered_is_not_released() -> None:
    """Our choice: there is nothing to come back for."""
    reply, response, _ = make(log=Log(), primes=True)
    await reply.answer(result(1))
    assert await reply.release(1) is False
    assert response.body == result(1)


async def test_end_without_an_answer_is_in_the_log() -> None:
    """Our choice: a client that comes back does not wait for ever."""
    log = Log()
    reply, _, _ = make(log=log)
    await reply.send(notification(1))
    reply.detach()
    await reply.skip()
    assert log.is_ended
    assert log.told == [1]
    assert reply.is_ended


async def test_last_words_are_kept_and_go_to_a_client_that_reads() -> None:
    """Our choice: a client that comes back reads why there is no answer."""
    log = Log()
    reply, response, _ = make(log=log)
    await reply.send(notification(1))
    await reply.skip(result(1))
    assert response.messages == [*sent(1), *answered(1)]
    assert response.is_ended
    assert log.kept[1:] == [result(1)]
    assert log.is_ended


@pytest.mark.parametrize("way", ["away", "slow", "new"])
async def test_last_words_go_no_further_than_the_log(way: str) -> None:
    """Our choice: no task waits for a client that does not read; without a stream
    there is none to come back to."""
    log = Log()
    reply, response, _ = make(log=log)
    if way != "new":
        await reply.send(notification(1))
    before = response.body
    response.is_slow = way == "slow"
    if way == "away":
        reply.detach()
    await reply.skip(result(1))
    assert response.body == before
    assert (log.kept[1:] == [result(1)]) is (way != "new")
    assert reply.is_ended


async def test_stream_ends_even_if_the_log_is_away() -> None:
    """Our choice: the connection must not hang."""
    log = Log()
    reply, response, _ = make(log=log)
    await reply.send(notification(1))
    log.is_away = True
    with pytest.raises(ConnectionError):
        await reply.answer(result(1))
    with pytest.raises(ConnectionError):
        await reply.break_off()
    assert response.is_ended
    assert reply.is_ended


# Every state ------------------------------------------------------------------------

WALK = """
             send       answer     skip      tick       release    detach     break_off
UNDECIDED    STREAMING  ENDED      ENDED     STREAMING  AWAY       GONE       ENDED
JSON         JSON       ENDED      ENDED     JSON       JSON       GONE       ENDED
COLLECTING   COLLECTING COLLECTING COLLECTING COLLECTING COLLECTING GONE      ENDED
EVENTS       STREAMING  ENDED      ENDED     STREAMING  AWAY       GONE       ENDED
STREAMING    STREAMING  ENDED      ENDED     STREAMING  AWAY       AWAY       ENDED
AWAY         AWAY       ENDED      ENDED     AWAY       AWAY       AWAY       ENDED
GONE         GONE       ENDED      ENDED     GONE       GONE       GONE       ENDED
ENDED        refused    ENDED      ENDED     ENDED      ENDED      ENDED      ENDED
"""
"""The state after each call in each state."""


async def bring_to(state: State, log: Log) -> tuple[Reply, Response, Clock]:
    """Make a reply that is in a state."""
    options: dict[str, Any] = {"log": log, "primes": True}
    if state is State.COLLECTING:
        options["batch_size"] = 2
    reads = {State.JSON: JSON_ONLY, State.COLLECTING: JSON_ONLY}
    reads[State.EVENTS] = STREAM_ONLY
    reply, response, clock = make(reads.get(state, BOTH), **options)
    match state:
        case State.STREAMING:
            await reply.send(notification(0))
        case State.AWAY:
            await reply.release(None)
        case State.GONE:
            reply.detach()
        case State.ENDED:
            await reply.answer(result(0))
    assert reply.state is state
    return reply, response, clock


def walks() -> list[Any]:
    head, *rows = [line.split() for line in WALK.strip().splitlines()]
    assert [row[0] for row in rows] == [state.name for state in State]
    return [
        pytest.param(State[name], call, after, id=f"{name}-{call}")
        for name, *cells in rows
        for call, after in zip(head, cells, strict=True)
    ]


@pytest.mark.parametrize(("state", "call", "after"), walks())
async def test_every_call_in_every_state_leads_to_one(
    state: State, call: str, after: str
) -> None:
    """Our choice: the table of `reply_states`; `Response` allows what HTTP does."""
    log = Log()
    reply, response, clock = await bring_to(state, log)
    clock.now += 10
    match call:
        case "send" if after == "refused":
            with pytest.raises(TransportClosed):
                await reply.send(notification(1))
            return
        case "send":
            await reply.send(notification(1))
        case "answer":
            await reply.answer(result(1))
        case "detach":
            reply.detach()
        case "release":
            assert await reply.release(None) is (after != state.name)
        case _:
            await getattr(reply, call)()
    assert reply.state is State[after]
    if reply.is_ended and state not in (State.AWAY, State.GONE):
        assert response.is_ended
    if reply.is_ended and state in (State.STREAMING, State.AWAY):
        assert log.is_ended


# Any order --------------------------------------------------------------------------


class Script:
    """Plays operations on a reply, and keeps account of what its client has to see."""

    def __init__(self, accepted: Accepted, expected: int, **options: Any) -> None:
        self.reply, self.response, self.clock = make(
            accepted, batch_size=expected if expected > 1 else None, **options
        )
        self.expected = expected
        self.reads_streams = accepted.stream
        self.is_left = False
        self.written: list[Any] = []

    async def send(self, number: int) -> None:
        if self.reply.is_ended:
            return
        if self.reads_streams and not self.is_left:
            self.written += sent(number)
        await self.reply.send(notification(number))

    async def answer(self, number: int) -> None:
        if not (self.reply.is_ended or self.is_left):
            self.written += answered(number)
        await self.reply.answer(result(number))

    async def skip(self, number: int) -> None:
        await self.reply.skip()

    async def tick(self, number: int) -> None:
        self.clock.now += number
        await self.reply.tick()

    async def begin(self, number: int) -> None:
        await begin(self.reply, self.clock)

    async def release(self, number: int) -> None:
        self.is_left = await self.reply.release(number) or self.is_left

    async def detach(self, number: int) -> None:
        self.is_left = self.is_left or not self.reply.is_ended
        self.reply.detach()

    async def stop(self, number: int) -> None:
        await self.reply.break_off()

    def check(self) -> None:
        """Compare what the client sees with what it has to see."""
        response = self.response
        if self.reply.is_ended and not self.is_left:
            assert response.is_ended
        if response.is_stream:
            assert response.messages == self.written
        elif response.status == 200:
            body = json.loads(response.body)
            assert (body if self.expected > 1 else [body]) == self.written


OPERATIONS = ("send", "answer", "skip", "tick", "begin", "release", "detach", "stop")


@given(
    operations=st.lists(
        st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 20)), max_size=12
    ),
    accepted=st.sampled_from([BOTH, JSON_ONLY, STREAM_ONLY]),
    expected=st.integers(1, 3),
    has_log=st.booleans(),
    primes=st.booleans(),
)
def test_any_order_of_operations_makes_a_response_that_http_allows(
    operations: list[tuple[str, int]],
    accepted: Accepted,
    expected: int,
    has_log: bool,
    primes: bool,
) -> None:
    """Our choice: `Response` fails if something is written out of order."""

    async def play() -> None:
        log = Log() if has_log else None
        script = Script(accepted, expected, log=log, primes=primes)
        for operation, number in operations:
            was_ended = script.reply.is_ended
            await getattr(script, operation)(number)
            assert script.reply.is_ended >= was_ended
            script.check()

    anyio.run(play)


async def test_what_was_answered_elsewhere_is_not_answered_again() -> None:
    """Our choice: by a worker that took this one for dead, while it was stopped."""
    log = Log()
    reply, response, clock = make(log=log)
    await begin(reply, clock)
    written = response.body
    log.is_ended_by_another = True
    await reply.answer(b"{}")
    assert reply.is_ended
    assert (response.body, response.is_ended) == (written, True)
    await reply.answer(b"{}")
    assert log.kept == []


# What is not read yet ---------------------------------------------------------------

LARGE = 100_000
"""More than is sent without being counted."""


def large(id: int) -> bytes:
    return jsonrpc.serialize(jsonrpc.result(id, {"text": "x" * LARGE}))


class SlowResponse(Response):
    """A response whose client reads when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = anyio.Event()

    async def respond(
        self, status: int, body: bytes = b"", headers: Headers = ()
    ) -> None:
        await self.is_read.wait()
        await super().respond(status, body, headers)

    async def write(self, chunk: bytes) -> None:
        await self.is_read.wait()
        await super().write(chunk)


def make_slow(
    accepted: Accepted, unread: Unread, **options: Any
) -> tuple[Reply, SlowResponse]:
    response = SlowResponse()
    limits = ReplyLimits(10**7, 5.0, 15.0, max_result_bytes=3 * LARGE)
    reply = Reply(
        response,
        accepted=accepted,
        limits=lambda: limits,
        unread=unread,
        owner="ann",
        **options,
    )
    return reply, response


def budget(most: int) -> Unread:
    return Unread(lambda: UnreadLimits(100 * most, most))


@pytest.mark.parametrize("accepted", [JSON_ONLY, STREAM_ONLY])
async def test_large_answer_counts_until_it_is_read(accepted: Accepted) -> None:
    """We promise it: MCP["MAX_UNREAD_BYTES"], for JSON and streams alike."""
    unread = budget(2 * LARGE)
    reply, response = make_slow(accepted, unread)
    other, _ = make_slow(accepted, unread)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reply.answer, large(1), 200)
        await anyio.wait_all_tasks_blocked()
        assert unread.bytes_of("ann") == len(large(1))
        with pytest.raises(ReaderTooSlow):
            await other.answer(large(2))
        assert not other.is_ended
        response.is_read.set()
    assert unread.total == 0
    assert reply.is_ended


async def test_large_answer_is_counted_no_more_when_its_task_is_cancelled() -> None:
    """We promise it: the budget comes back, however a connection ends."""
    unread = budget(2 * LARGE)
    reply, _ = make_slow(JSON_ONLY, unread)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reply.answer, large(1), 200)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert unread.total == 0


async def test_collected_answers_are_no_larger_together_than_one_may_be() -> None:
    """We promise it: MCP["MAX_RESULT_BYTES"] for one body; small ones have room."""
    unread = budget(100 * LARGE)
    reply, response = make_slow(JSON_ONLY, unread, batch_size=5)
    response.is_read.set()
    await reply.answer(large(1))
    assert not reply.is_full
    await reply.answer(large(2))
    assert reply.is_full
    with pytest.raises(BatchTooLarge):
        await reply.answer(large(3))
    for id in (3, 4):
        await reply.answer(result(id))
    assert unread.bytes_of("ann") == 2 * len(large(1)) + 2 * len(result(1))
    await reply.answer(result(5))
    assert [answer["id"] for answer in json.loads(response.body)] == [1, 2, 3, 4, 5]
    assert unread.total == 0


async def test_collected_answers_that_no_client_will_read_are_dropped() -> None:
    """We promise it: they count no longer than their connection lives."""
    unread = budget(100 * LARGE)
    reply, _ = make_slow(JSON_ONLY, unread, batch_size=2)
    await reply.answer(large(1))
    reply.detach()
    assert unread.total == 0


async def test_answers_to_a_batch_that_go_as_events_are_not_collected() -> None:
    """We promise it: each may be as large as any event."""
    unread = budget(100 * LARGE)
    reply, response = make_slow(BOTH, unread, batch_size=4)
    response.is_read.set()
    for id in range(4):
        await reply.answer(large(id))
        assert not reply.is_full
    assert reply.is_ended
    assert unread.total == 0
