"""Streamable HTTP: one POST, and whatever it is answered with.

Spec: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol, TypeAlias

import anyio
from mcp_types.jsonrpc import INTERNAL_ERROR, RequestId

from mcp_django.exceptions import BatchTooLarge, MessageTooLarge, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.http_headers import Accepted
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    encode_event,
    encode_priming,
    encode_retry,
)
from mcp_django.transports.server.unread import UNCOUNTED_BYTES, Account, Unread

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


class HTTPResponse(Protocol):
    """How an HTTP response is written, whatever the server."""

    @property
    def is_congested(self) -> bool:
        """Whether a write would wait until the client has read something."""

    async def respond(
        self, status: int, body: bytes = ..., headers: Headers = ...
    ) -> None:
        """Answer with a whole body."""

    async def start_events(self, headers: Headers = ...) -> None:
        """Begin to answer with an event stream."""

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the stream; waits while the client does not read."""

    async def end_stream(self) -> None:
        """End the stream cleanly."""

    def look(self) -> float:
        """Look for how long the client has taken nothing of what it was sent.

        To be called every second or so; 0.0 where nobody can tell.
        """
        return 0.0

    @property
    def unread_seconds(self) -> float:
        """For how long, when it was looked last."""
        return 0.0

    def abort(self) -> None:
        """End the connection at once, with all that the client has not read."""
        return


class EventLog(ABC):
    """Keeps the events of one stream, for clients that lose their connection."""

    @property
    @abstractmethod
    def retry_ms(self) -> int:
        """When clients shall come back, in milliseconds."""

    @abstractmethod
    async def open(self) -> str:
        """Make an id for the beginning of the stream, before its first event.

        Returns:
            The id; "" if the stream is lost.
        """

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether events could not be kept, so that nobody can come back for them."""

    @abstractmethod
    def expect(self, id: RequestId) -> None:
        """Expect an answer to a request on the stream."""

    @abstractmethod
    async def append(self, data: bytes, *, is_last: bool) -> str:
        """Keep an event and give its id; "" if the stream is lost.

        Raises:
            TransportClosed: It was ended in place of us.
        """

    @abstractmethod
    async def end(self) -> None:
        """Keep that no event will follow."""

    @abstractmethod
    async def tell(self) -> None:
        """Tell a client that came back already that there is more."""

    @abstractmethod
    def tick(self) -> None:
        """Keep in mind that the stream is open. Called every second; waits for none."""


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """What a reply may cost, and when it becomes a stream; see the `MCP` settings."""

    max_event_bytes: int
    stream_after_seconds: float
    keep_alive_seconds: float
    max_result_bytes: int = 32 * 1024 * 1024
    max_held_seconds: float = 300.0


class _State(Enum):
    NEW = auto()
    STREAMING = auto()
    DETACHED = auto()
    ENDED = auto()


class Reply:
    """What one POST is answered with: JSON, or events once something comes first.

    ::

        NEW --send()--> STREAMING --answer()--> ENDED
         |                  |
         |                  +--detach()--> DETACHED --answer()--> ENDED
         +--answer()--> ENDED

    Detached, what is sent goes to the log alone, or nowhere if there is none.

    Answers to a batch that go in one body are collected, no more of them than one
    result may take.

    Args:
        response: Writes the HTTP response.
        accepted: What the client can read.
        limits: Gives what the reply may cost; most replies need not know.
        expected: Answers that make the reply complete.
        is_batch: Whether the answers are to a batch.
        log: Keeps the events; None where streams cannot be resumed.
        primes: Whether the stream begins with an event without data.
        headers: HTTP headers beside the usual ones.
        unread: Counts large answers until the client has read them; None for nobody.
        owner: Names the user; "" for nobody.
        clock: Gives the time in seconds; never goes back.
    """

    __slots__ = (
        "_accepted",
        "_account_made",
        "_clock",
        "_collected",
        "_expected",
        "_headers",
        "_is_batch",
        "_limits",
        "_lock_made",
        "_log",
        "_owner",
        "_primes",
        "_response",
        "_state",
        "_unread",
        "_written_at",
    )

    def __init__(
        self,
        response: HTTPResponse,
        *,
        accepted: Accepted,
        limits: Callable[[], ReplyLimits],
        expected: int = 1,
        is_batch: bool = False,
        log: EventLog | None = None,
        primes: bool = False,
        headers: Headers = (),
        unread: Unread | None = None,
        owner: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._response = response
        self._accepted = accepted
        self._limits = limits
        self._expected = expected
        self._is_batch = is_batch
        self._log = log
        self._primes = primes
        self._headers = headers
        self._clock = clock
        self._unread = unread
        self._owner = owner
        self._account_made: Account | None = None
        self._collected: list[bytes] = []
        self._state = _State.NEW
        self._lock_made: anyio.Lock | None = None
        self._written_at = clock()

    @property
    def can_ask(self) -> bool:
        """Whether the client sees what is sent before the answer, now or later."""
        return (
            self._accepted.stream
            and not self.is_ended
            and (self._state is not _State.DETACHED or self._is_kept)
        )

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing of what it was sent."""
        is_streaming = self._state is _State.STREAMING
        return self._response.unread_seconds if is_streaming else 0.0

    def give_up(self) -> None:
        """End the connection of a client that is gone, or does not read."""
        self._response.abort()

    @property
    def is_ended(self) -> bool:
        """Whether the reply is complete."""
        return self._state is _State.ENDED

    def expect(self, id: RequestId) -> None:
        """Say which request is to be answered, for clients that come back for it."""
        if self._log is not None:
            self._log.expect(id)

    async def send(self, message: Message) -> None:
        """Send a message that is no answer; dropped if the client reads JSON only.

        Raises:
            TransportClosed: The reply is complete.
            MessageTooLarge: The event would be larger than clients take.
            ValueError: The message cannot be written as JSON.
        """
        if self.is_ended:
            raise TransportClosed("cannot send: the request is answered")
        if not self._accepted.stream:
            return
        data = jsonrpc.serialize(message)
        self._check_size(data)
        await self._send_event(data, is_last=False)

    @property
    def is_full(self) -> bool:
        """Whether answers that are collected take most of what one body may."""
        return (
            self._is_collecting
            and self._account.held * 2 > self._limits().max_result_bytes
        )

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
        if not self._is_batch and len(data) <= UNCOUNTED_BYTES:
            return self._answer(data, status, headers)
        if self._is_collecting:
            return self._collect(data)
        return self._answer_counted(data, status, headers)

    async def _answer(self, data: bytes, status: int, headers: Headers) -> None:
        if self._state is _State.ENDED:
            return
        if self._state is _State.NEW and self._accepted.json and not self._is_batch:
            self._expected -= 1
            self._state = _State.ENDED
            await self._response.respond(status, data, [*self._headers, *headers])
            return
        self._check_size(data)
        # Before anything is waited for, so that of two answers one is the last.
        self._expected -= 1
        try:
            await self._send_event(data, is_last=not self._expected)
        except BaseException:
            self._expected += 1
            raise

    async def _answer_counted(self, data: bytes, status: int, headers: Headers) -> None:
        """Send an answer, and count it until it is read."""
        if len(data) <= UNCOUNTED_BYTES:
            await self._answer(data, status, headers)
            return
        with self._account.holding(len(data)):
            await self._answer(data, status, headers)

    async def _collect(self, data: bytes) -> None:
        """Keep an answer until those to the whole batch are there."""
        size = self._account.held + len(data)
        limit = self._limits().max_result_bytes
        if len(data) <= UNCOUNTED_BYTES:
            # Also what stands for a larger one has to find room.
            self._account.add(len(data))
        elif size > limit:
            raise BatchTooLarge(size, limit)
        else:
            self._account.take(len(data))
        self._collected.append(data)
        self._expected -= 1
        if not self._expected:
            await self._respond_collected()

    async def _respond_collected(self) -> None:
        self._state = _State.ENDED
        # Joined once: joined with each answer, a long batch would hold up all.
        body = b"[" + b",".join(self._collected) + b"]"
        self._collected.clear()
        try:
            await self._response.respond(200, body, self._headers)
        finally:
            self._account.close()

    async def skip(self, last_words: bytes = b"") -> None:
        """Count an answer that will not come, or is not wanted any more.

        Args:
            last_words: What clients that come back, and those that read, get instead.
        """
        self._expected -= 1
        if last_words and self._state in (_State.STREAMING, _State.DETACHED):
            await self._say(last_words)
        if self._expected > 0 or self.is_ended:
            return
        if self._collected:
            await self._respond_collected()
            return
        async with self._lock:
            pass  # Answers that are on their way go first.
        await self.break_off()

    async def _say(self, last_words: bytes) -> None:
        async with self._lock:
            if self._log is None or self._log.is_lost or self.is_ended:
                return
            try:
                id = await self._log.append(last_words, is_last=self._expected <= 0)
            except TransportClosed:
                return
            if self._state is _State.STREAMING and not self._response.is_congested:
                await self._write(encode_event("message", last_words, id=id))

    async def begin_stream(self) -> None:
        """Become an event stream, if that has not begun; harmless otherwise."""
        if self._state is _State.NEW and self._accepted.stream:
            async with self._lock:
                await self._begin()

    async def break_off(self) -> None:
        """Complete the reply without an answer, because none will come."""
        if self._state is _State.NEW and not self._accepted.stream:
            self._state = _State.ENDED
            error = jsonrpc.error(
                None, INTERNAL_ERROR, "the request was ended; try again"
            )
            await self._response.respond(
                503, jsonrpc.serialize(error), [(b"retry-after", b"1")]
            )
            return
        if self._state is _State.NEW:
            # There is nothing to come back for.
            self._log = None
        await self.begin_stream()
        try:
            if self._log is not None and not self.is_ended:
                await self._log.end()
                await self._log.tell()
        finally:
            await self._end_stream()

    def detach(self) -> None:
        """Go on without the connection, which is gone."""
        if self._state is _State.NEW:
            # The client has nothing to come back with.
            self._log = None
            if self._collected:
                self._collected.clear()
                self._account.close()
        if not self.is_ended:
            self._state = _State.DETACHED

    async def release(self, retry_ms: int | None) -> bool:
        """End the connection, and let the client come back for the rest.

        Returns:
            Whether the connection is ended; False where nobody could come back.
        """
        if not self._is_kept or not self._primes or self._state is _State.DETACHED:
            return False
        if not self._accepted.stream:
            return False
        async with self._lock:
            await self._begin()
            if self._state is not _State.STREAMING or not self._is_kept:
                return False
            if retry_ms is not None:
                await self._write(encode_retry(retry_ms))
            self._state = _State.DETACHED
            await self._response.end_stream()
        return True

    async def tick(self) -> None:
        """Keep the connection alive while nothing comes. To be called every second.

        One ends through which nothing passes any more.
        """
        if self._log is not None and not self.is_ended:
            self._log.tick()  # also while the client is away, who may come back
        silence = self._clock() - self._written_at
        if self._state is _State.NEW:
            if silence >= self._limits().stream_after_seconds:
                await self.begin_stream()
        elif self._state is _State.STREAMING and (
            self._response.look() > self._limits().max_held_seconds
        ):
            self.give_up()
        elif (
            self._state is _State.STREAMING
            and silence >= self._limits().keep_alive_seconds
            # Whoever ticks must not wait for one slow client.
            and not (self._lock.locked() or self._response.is_congested)
        ):
            async with self._lock:
                await self._write(KEEP_ALIVE)

    @property
    def _is_kept(self) -> bool:
        """Whether a client that lost the connection can come back."""
        return self._log is not None and not self._log.is_lost

    @property
    def _is_collecting(self) -> bool:
        """Whether answers to a batch are kept until all are there."""
        return (
            self._is_batch
            and self._state is _State.NEW
            and self._accepted.json
            and not self._accepted.stream
        )

    @property
    def _account(self) -> Account:
        # Made when it is needed: most answers are small.
        if self._account_made is None:
            self._account_made = Account(self._unread, self._owner)
        return self._account_made

    def _check_size(self, data: bytes) -> None:
        limit = self._limits().max_event_bytes
        if len(data) > limit:
            raise MessageTooLarge(len(data), limit)

    async def _send_event(self, data: bytes, *, is_last: bool) -> None:
        async with self._lock:
            await self._begin()
            if self.is_ended:
                return
            id = ""
            if self._log is not None:
                try:
                    id = await self._log.append(data, is_last=is_last)
                except TransportClosed:  # A client that came back was answered.
                    await self._end_stream()
                    return
            if self._state is _State.STREAMING:
                await self._write(encode_event("message", data, id=id))
            elif self._log is not None:
                await self._log.tell()
            if is_last:
                await self._end_stream()

    async def _begin(self) -> None:
        """Become an event stream, whoever holds the lock; harmless if it is one."""
        # Whoever held the lock before may have begun, or answered.
        if self._state is not _State.NEW:
            return
        self._state = _State.STREAMING
        await self._response.start_events(self._headers)
        if self._log is not None and self._primes:
            id = await self._log.open()
            if id:
                await self._write(encode_priming(id, self._log.retry_ms))

    async def _end_stream(self) -> None:
        was_streaming = self._state is _State.STREAMING
        self._state = _State.ENDED
        if was_streaming:
            await self._response.end_stream()

    async def _write(self, chunk: bytes) -> None:
        self._written_at = self._clock()
        await self._response.write(chunk)

    @property
    def _lock(self) -> anyio.Lock:
        """Held while events are written, so that they do not mix."""
        # Made when it is needed: most replies are no streams.
        if self._lock_made is None:
            self._lock_made = anyio.Lock()
        return self._lock_made
