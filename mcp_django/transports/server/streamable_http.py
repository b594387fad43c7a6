"""Streamable HTTP: one POST, and what it is answered with.

Spec: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, TypeAlias

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.exceptions import TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.http_headers import Accepted
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.server.collected_answers import CollectedAnswers
from mcp_django.transports.server.event_log import EventLog
from mcp_django.transports.server.http_response import Headers, HTTPResponse
from mcp_django.transports.server.refusals import RETRY_LATER
from mcp_django.transports.server.reply_events import ReplyEvents, ReplyLimits
from mcp_django.transports.server.reply_states import TABLE, State
from mcp_django.transports.server.unread import UNCOUNTED_BYTES, Account, Unread


class Reply:
    """What one POST is answered with: JSON, or events once something comes first.

    What it does in which state, and what state comes next, `reply_states` says.

    Args:
        response: Writes the HTTP response.
        accepted: What the client can read.
        limits: Gives what the reply may cost; most replies need not know.
        unread: Counts large answers until the client has read them; None where nothing
            is counted.
        owner: Names the user whose client reads; "" where there is none.
        batch_size: How many answers complete the reply to a batch; None for one
            request alone.
        make_log: Makes what keeps the events, when there are some; None where streams
            cannot be resumed.
        primes: Whether the stream begins with an event without data.
        headers: HTTP headers beside the usual ones.
        clock: Gives the time in seconds; never goes back.

    Attributes:
        state: How far it has come.
    """

    __slots__ = (
        "_begun_at",
        "_clock",
        "_collected",
        "_events_made",
        "_expected",
        "_headers",
        "_limits",
        "_make_log",
        "_owner",
        "_primes",
        "_response",
        "_unread",
        "state",
    )

    def __init__(
        self,
        response: HTTPResponse,
        accepted: Accepted,
        limits: Callable[[], ReplyLimits],
        unread: Unread | None = None,
        owner: str = "",
        batch_size: int | None = None,
        make_log: Callable[[], EventLog] | None = None,
        primes: bool = False,
        headers: Headers = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._response = response
        self._limits = limits
        self._make_log = make_log
        self._primes = primes
        self._headers = headers
        self._unread = unread
        self._owner = owner
        self._clock = clock
        self._events_made: ReplyEvents | None = None
        self._collected: CollectedAnswers | None = None
        self._begun_at = clock()
        self._expected = batch_size or 1
        if accepted.stream:
            is_undecided = accepted.json and batch_size is None
            self.state = State.UNDECIDED if is_undecided else State.EVENTS
        elif batch_size is None:
            self.state = State.JSON
        else:
            self.state = State.COLLECTING
            self._collected = CollectedAnswers(Account(unread, owner), limits)

    @property
    def can_ask(self) -> bool:
        """Whether the client sees what is sent before the answer, now or later."""
        if self.state is State.AWAY:
            return self._is_kept
        return self.state in (State.UNDECIDED, State.EVENTS, State.STREAMING)

    @property
    def decides_status(self) -> bool:
        """Whether the next answer goes alone, with an HTTP status of its own."""
        return self.state in (State.UNDECIDED, State.JSON)

    @property
    def is_ended(self) -> bool:
        """Whether it is complete."""
        return self.state is State.ENDED

    @property
    def is_full(self) -> bool:
        """Whether answers that are collected take most of what one body may."""
        return self._collected is not None and self._collected.is_full

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing of what it was sent."""
        return self._response.unread_seconds if self.state is State.STREAMING else 0.0

    def send(self, message: Message) -> Coroutine[Any, Any, None]:
        """Send a message that is no answer; dropped if the client reads JSON only.

        Raises:
            TransportClosed: The reply is complete.
            MessageTooLarge: The event would be larger than clients take.
            ValueError: The message cannot be written as JSON.
        """
        do, self.state = _STEPS[self.state].send
        return do(self, message)

    def answer(
        self, data: bytes, status: int = 200, headers: Headers = ()
    ) -> Coroutine[Any, Any, None]:
        """Send an answer; the last one that is expected completes the reply.

        What fails, or is cancelled, does not count as answered.

        Args:
            data: Result or error of a request, as `jsonrpc.serialize` writes it.
            status: HTTP status, unless a stream has begun already.
            headers: HTTP headers that go with it.

        Raises:
            MessageTooLarge: The event would be larger than clients take.
            BatchTooLarge: The answers to the batch would be too large for one body.
            ReaderTooSlow: The client's user has yet to read too much.
        """
        # On the hot path: neither a coroutine nor a count more.
        if len(data) > UNCOUNTED_BYTES and self._collected is None:
            return self._answer_counted(data, status, headers)
        do, self.state = _STEPS[self.state].answer
        return do(self, data, status, headers)

    async def skip(self, last_words: bytes = b"") -> None:
        """Count an answer that will not come, or is not wanted any more.

        Args:
            last_words: What clients that come back, and those that read, get instead.
        """
        self._expected -= 1
        if last_words and self.state in (State.STREAMING, State.AWAY):
            await self._say(last_words)
        if self._expected > 0 or self.is_ended:
            return
        async with self._events.lock:
            pass  # Answers that are on their way go first.
        await self.break_off()

    def break_off(self) -> Coroutine[Any, Any, None]:
        """Complete the reply without an answer, because none will come."""
        do, self.state = _STEPS[self.state].break_off
        return do(self)

    def detach(self) -> None:
        """Go on without the connection, which is gone."""
        do, self.state = _STEPS[self.state].detach
        do(self)

    async def release(self, retry_ms: int | None) -> bool:
        """End the connection, and let the client come back for the rest.

        Returns:
            Whether the connection is ended; False where no client could come back.
        """
        if not (self._primes and self._is_kept):
            return False
        async with self._events.lock:
            await self._begin()
            if not self._is_kept:
                return False
            if retry_ms is not None and self.state is State.STREAMING:
                await self._events.write_retry(retry_ms)
            do, self.state = _STEPS[self.state].release
            return await do(self)

    def give_up(self) -> None:
        """End the connection of a client that is gone, or does not read."""
        self._response.abort()

    async def tick(self) -> None:
        """Keep the connection alive while nothing comes. To be called every second.

        One ends through which nothing passes any more.
        """
        if self._events_made is not None and not self.is_ended:
            self._events_made.tick()  # also while the client is away: it may come back
        do, self.state = _STEPS[self.state].tick
        await do(self)

    # What is done, by the names of the table ------------------------------------------

    async def _nothing(self, *_: object) -> bool:
        return False

    def _leave(self) -> None:
        pass

    def _respond(
        self, data: bytes, status: int, headers: Headers
    ) -> Coroutine[Any, Any, None]:
        return self._response.respond(status, data, [*self._headers, *headers])

    async def _answer_counted(self, data: bytes, status: int, headers: Headers) -> None:
        with Account(self._unread, self._owner).holding(len(data)):
            do, self.state = _STEPS[self.state].answer
            await do(self, data, status, headers)

    async def _answer_by_event(self, data: bytes, *_: object) -> None:
        self._limits().check_event(data)
        # Before anything is waited for, so that of two answers one is the last.
        self._expected -= 1
        try:
            await self._send_event(data, is_last=not self._expected)
        except BaseException:
            self._expected += 1
            raise

    async def _count(self, data: bytes, *_: object) -> None:
        if self._collected is not None:
            self._collected.add(data)
        self._expected -= 1
        if not self._expected:
            await self._end()

    async def _send_message(self, message: Message) -> None:
        data = jsonrpc.serialize(message)
        self._limits().check_event(data)
        await self._send_event(data, is_last=False)

    async def _fail(self, *_: object) -> None:
        raise TransportClosed("cannot send: the request is answered")

    async def _send_event(self, data: bytes, *, is_last: bool) -> None:
        events = self._events
        async with events.lock:
            await self._begin()
            if self.is_ended:  # It was answered while this waited.
                return
            try:
                id = await events.keep(data, is_last=is_last)
            except TransportClosed:  # A client that came back was answered.
                await self._end()
                return
            do, self.state = _STEPS[self.state].pass_on
            await do(self, data, id)
            if is_last:
                await self._end()

    async def _write_event(self, data: bytes, id: str) -> None:
        await self._events.write(data, id)

    async def _tell(self, *_: object) -> None:
        await self._events.tell()

    async def _say(self, last_words: bytes) -> None:
        async with self._events.lock:
            if self.is_ended or not self._is_kept:
                return
            is_last = self._expected <= 0
            try:
                id = await self._events.keep(last_words, is_last=is_last)
            except TransportClosed:
                return
            if self.state is State.STREAMING and not self._response.is_congested:
                await self._events.write(last_words, id)

    async def _begin(self) -> None:
        """Begin a stream in a state where that is next; the caller holds the lock."""
        do, self.state = _STEPS[self.state].begin
        await do(self)

    async def _open(self) -> None:
        await self._events.open(self._headers)

    async def _end(self) -> None:
        """End the reply, because nothing will follow."""
        do, self.state = _STEPS[self.state].end
        await do(self)

    async def _hang_up(self) -> bool:
        await self._response.end_stream()
        return True

    async def _end_empty(self) -> None:
        self._forget()  # no client can come back for that
        await self._response.start_events(self._headers)
        await self._response.end_stream()

    async def _complete(self) -> None:
        assert self._collected is not None
        await self._collected.respond(self._response, self._headers)

    async def _complete_or_refuse(self) -> None:
        await (self._complete() if self._collected else self._refuse())

    async def _refuse(self) -> None:
        error = jsonrpc.error(None, INTERNAL_ERROR, "the request was ended; try again")
        await self._response.respond(503, jsonrpc.serialize(error), RETRY_LATER)

    async def _finish(self) -> None:
        try:
            await self._events.finish()
        finally:
            await self._end()

    def _forget(self) -> None:
        self._make_log = None
        if self._events_made is not None:
            self._events_made.log = None
        if self._collected is not None:
            self._collected.close()
            self._collected = None

    async def _begin_if_silent(self) -> None:
        silence = self._clock() - self._begun_at
        if silence >= self._limits().stream_after_seconds:
            async with self._events.lock:
                await self._begin()

    async def _keep_alive(self) -> None:
        await self._events.keep_alive(self._limits())

    @property
    def _is_kept(self) -> bool:
        """Whether a client that lost the connection can come back."""
        made = self._events_made
        if made is None:
            return self._make_log is not None
        return made.log is not None and not made.log.is_lost

    @property
    def _events(self) -> ReplyEvents:
        # Made when they are needed: most replies are no streams.
        if self._events_made is None:
            self._events_made = ReplyEvents(
                self._response,
                log=None if self._make_log is None else self._make_log(),
                primes=self._primes,
                clock=self._clock,
                begun_at=self._begun_at,
            )
        return self._events_made


# The table ------------------------------------------------------------------------

_Step: TypeAlias = tuple[Callable[..., Coroutine[Any, Any, Any]], State]


class _Steps(NamedTuple):
    """A row of the table: what is done in a state, and the next one."""

    send: _Step
    answer: _Step
    begin: _Step
    pass_on: _Step
    tick: _Step
    release: tuple[Callable[[Reply], Coroutine[Any, Any, bool]], State]
    detach: tuple[Callable[[Reply], None], State]
    break_off: _Step
    end: _Step


def _steps_in(state: State) -> _Steps:
    steps = dict.fromkeys(_Steps._fields, ("nothing", state))
    steps |= {"detach": ("leave", state), **TABLE[state]}
    found = {
        name: (getattr(Reply, f"_{do}"), then) for name, (do, then) in steps.items()
    }
    return _Steps(**found)


_STEPS: Final = {state: _steps_in(state) for state in State}
