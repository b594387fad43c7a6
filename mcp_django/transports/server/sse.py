"""HTTP+SSE: events out on one stream, messages in by POST.

Spec: 2024-11-05 basic/transports, "HTTP with SSE".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcp_django.exceptions import MessageTooLarge, TransportClosed
from mcp_django.protocol import jsonrpc, methods
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.event_stream import KEEP_ALIVE, MESSAGE_EVENT, encode_event
from mcp_django.transports.server.flow_control import Flow, Uptake
from mcp_django.transports.server.owed_answers import OwedAnswers
from mcp_django.transports.server.unread import UNCOUNTED_BYTES, Account

_NO_ANSWERS: Final = (JSONRPCRequest, JSONRPCNotification)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What an SSE stream may cost; see the `MCP` settings of the same names."""

    max_event_bytes: int
    unconfirmed_bytes: int
    max_held_bytes: int
    max_held_seconds: float
    keep_alive_seconds: float
    max_full_seconds: float = 10.0


class SSEServerTransport(Transport):
    """The server's half: writes events to a stream, is handed what was posted.

    What is below waits for no slow reader, so the transport keeps the account. After
    each `unconfirmed_bytes` it pings the client before the next message, and holds
    that and what follows until the answer::

        PASSING --unconfirmed_bytes written--> HOLDING --answer to the ping--> PASSING

    It holds at most `max_held_bytes`; while it is full, `send` waits. It closes when
    the client has shown no sign of reading for `max_held_seconds`, or has let it be
    full for `max_full_seconds`, but never while the client owes the answer to a
    request, because its user ponders a question.

    What waits, and what is large until the client has taken it, counts with what else
    its user has yet to read.

    Args:
        write: Writes bytes to the stream.
        endpoint: URL for the client to post to, percent-encoded.
        limits: What the stream may cost.
        flow: Tells whether the client takes what is written.
        account: Counts what it has yet to take.
        clock: Gives the time in seconds; never goes back.
    """

    binding = "sse"

    # A mapping of more than 30 attributes takes 1.5 KiB more of each idle stream.
    __slots__ = (
        "_account",
        "_clock",
        "_endpoint",
        "_flow",
        "_full_since",
        "_has_room",
        "_heard",
        "_heard_at",
        "_held",
        "_held_bytes",
        "_held_since",
        "_in_buffer",
        "_is_closed",
        "_is_writing",
        "_limits",
        "_outgoing",
        "_owed",
        "_ping",
        "_pings",
        "_unconfirmed",
        "_uptake",
        "_write",
        "_written_at",
    )

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        *,
        endpoint: str,
        limits: StreamLimits,
        flow: Flow | None = None,
        account: Account | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._write = write
        self._flow = flow or Flow()
        self._account = account or Account()
        self._clock = clock
        self._endpoint = endpoint
        self._limits = limits
        self._outgoing: list[tuple[bytes, int]] = []
        self._is_writing = False
        self._is_closed = False
        self._unconfirmed = 0
        # Made when it is needed: an empty deque takes 760 bytes of an idle stream.
        self._held: deque[tuple[bytes, int]] | None = None
        self._held_bytes = 0
        self._in_buffer = 0
        self._held_since = 0.0
        self._full_since = 0.0
        self._has_room: anyio.Event | None = None
        self._owed = OwedAnswers()
        self._ping: str | None = None
        self._pings = 0
        self._written_at = self._heard_at = clock()
        self._heard: anyio.Event | None = None
        self._uptake = Uptake(self._flow, clock)

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing of what it was sent.

        0.0 while it owes an answer, because its user ponders.
        """
        return 0.0 if self._owed else self._uptake.seconds

    @property
    def heard_seconds_ago(self) -> float:
        """When something was heard of the client; 0.0 while its user ponders."""
        return 0.0 if self._owed else self._clock() - self._heard_at

    async def is_heard(self, timeout: float) -> bool:
        """Ping the client, and say whether anything is heard of it in time.

        Args:
            timeout: In seconds.
        """
        heard = self._heard = self._heard or anyio.Event()
        with anyio.move_on_after(timeout):
            if self._ping is None:
                await self._send_ping()
            await heard.wait()
            return True
        return False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be sent."""
        return self._is_closed

    @property
    def is_congested(self) -> bool:
        """Whether what is sent now will be held, or its user has much to read."""
        return self._is_behind or self._account.is_full

    @property
    def _is_behind(self) -> bool:
        """Whether what is sent now will be held."""
        return bool(self._held) or self._unconfirmed >= self._limits.unconfirmed_bytes

    async def start(self, tasks: TaskGroup | None = None) -> None:
        """Tell the client where to post, and that the stream is alive."""
        self._flow.on_clear = self._empty_buffer
        endpoint, self._endpoint = self._endpoint, ""  # the session may idle for long
        await self._pass(encode_event("endpoint", endpoint.encode()))
        await self._pass(KEEP_ALIVE)

    async def send(self, message: Message) -> None:
        """Write one message as an event, or hold it while the client does not read.

        Raises:
            TransportClosed: The stream is closed, now or while it waited.
            MessageTooLarge: The event would be larger than clients take.
            ReaderTooSlow: It is an answer, and the client's user has yet to read too
                much.
            ValueError: The message cannot be written as JSON.
        """
        data = jsonrpc.serialize(message)
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            await self.send_answer(data)
            return
        event = self._event(data)
        self._owed.note_withdrawn(message)
        size = self._to_count(event)
        self._account.add(size)  # there is room: what sends it waits with it
        await self._send_event(event, size, message)

    async def send_answer(self, answer: bytes) -> None:
        """Write one answer as an event, or hold it while the client does not read.

        Raises:
            TransportClosed: The stream is closed, now or while it waited.
            MessageTooLarge: The event would be larger than clients take.
            ReaderTooSlow: The client's user has yet to read too much.
        """
        event = self._event(answer)
        size = self._to_count(event)
        if size:
            self._account.take(size)
        await self._send_event(event, size, None)

    def _event(self, data: bytes) -> bytes:
        event = MESSAGE_EVENT % data
        if len(event) > self._limits.max_event_bytes:
            raise MessageTooLarge(len(event), self._limits.max_event_bytes)
        return event

    def _to_count(self, event: bytes) -> int:
        """Give how much of an event has to be counted: all or nothing."""
        is_small = len(event) <= UNCOUNTED_BYTES and not self._is_behind
        return 0 if is_small else len(event)

    async def _send_event(
        self, event: bytes, counted: int, message: Message | None
    ) -> None:
        try:
            while not await self._pass_or_hold(message, event, counted):
                if self._has_room is None:
                    self._has_room = anyio.Event()
                    self._full_since = self._clock()
                await self._has_room.wait()
        except BaseException:
            self._account.give_back(counted)
            raise

    async def close(self) -> None:
        """Close the stream; what is held is dropped."""
        if self._is_closed:
            return
        self._is_closed = True
        self._outgoing.clear()
        self._held = None
        self._held_bytes = 0
        self._account.close()
        self._let_go()
        self.on_close()

    def receive(self, message: Message, sender: Sender) -> Awaitable[None]:
        """Hand a message over that the client posted.

        Raises:
            TransportClosed: The stream is closed: the message is lost.
        """
        if self._is_closed:
            raise TransportClosed("cannot receive: the stream is closed")
        self._heard_at = self._clock()
        if self._heard is not None:
            self._heard.set()
            self._heard = None
        if not isinstance(message, _NO_ANSWERS):
            if message.id == self._ping and self._ping is not None:
                return self._confirm()
            if self._owed.note_received(message):
                # A sign of life: the answer to a ping may be the next that comes.
                self._held_since = self._full_since = self._clock()
        return self.on_message(message, sender)

    async def tick(self) -> None:
        """Keep the stream alive, and close it if it has held something for too long.

        To be called every second or so.
        """
        # While something else is being written there is no need to, and the worker,
        # which ticks, must not wait for one slow client.
        if self._is_closed or self._is_writing:
            return
        now = self._clock()
        limits = self._limits
        is_patient = now - self._held_since <= limits.max_held_seconds and (
            self._has_room is None or now - self._full_since <= limits.max_full_seconds
        )
        is_stuck = self._uptake.look() > limits.max_held_seconds
        if not self._owed and (is_stuck or (self._held and not is_patient)):
            self.on_error(
                TransportClosed(
                    "the client takes nothing of what it is sent"
                    if is_stuck
                    else f"the client does not read: {self._held_bytes} bytes wait"
                )
            )
            await self.close()
        elif now - self._written_at >= self._limits.keep_alive_seconds:
            await self._pass(KEEP_ALIVE)

    async def _pass_or_hold(
        self, message: Message | None, event: bytes, counted: int
    ) -> bool:
        """Pass an event on or hold it; False if it has to wait for room."""
        if self._is_closed:
            raise TransportClosed("cannot send: the stream is closed")
        is_passed = not self._is_behind
        size = self._held_bytes + len(event)
        if not is_passed and self._held and size > self._limits.max_held_bytes:
            return False
        if message is not None:
            self._owed.note_sent(message)
        if is_passed:
            await self._pass(event, counted)
        else:
            await self._hold(event, counted)
        return True

    async def _pass(self, chunk: bytes, counted: int = 0) -> None:
        """Write a chunk, behind those that are being written."""
        self._unconfirmed += len(chunk)
        self._written_at = self._clock()
        self._outgoing.append((chunk, counted))
        if self._is_writing:
            return
        self._is_writing = True
        try:
            while self._outgoing:
                chunk, counted = self._outgoing.pop(0)
                await self._write(chunk)
                self._uptake.is_pending = True
                if self._flow.is_congested:
                    self._in_buffer += counted
                elif counted:
                    self._account.give_back(counted)
        finally:
            self._is_writing = False

    def _empty_buffer(self) -> None:
        """Be told that the client has taken what was written."""
        self._account.give_back(self._in_buffer)
        self._in_buffer = 0
        if not (self._is_closed or self.is_congested):
            self.on_clear()

    async def _hold(self, event: bytes, counted: int) -> None:
        if self._held is None:
            self._held = deque()
        if not self._held:
            self._held_since = self._clock()
        self._held.append((event, counted))
        self._held_bytes += len(event)
        if self._ping is None:
            await self._send_ping()

    async def _send_ping(self) -> None:
        self._pings += 1
        self._ping = f"ping-{self._pings}"
        ping = jsonrpc.serialize(jsonrpc.request(self._ping, methods.PING, None))
        await self._pass(MESSAGE_EVENT % ping)

    async def _confirm(self) -> None:
        """Go on after the client has shown that it reads."""
        self._ping = None
        self._unconfirmed = 0
        while self._held and self._unconfirmed < self._limits.unconfirmed_bytes:
            event, counted = self._held.popleft()
            self._held_bytes -= len(event)
            await self._pass(event, counted)
        if self._held and self._ping is None:
            self._held_since = self._clock()
            await self._send_ping()
        self._let_go()
        if not self.is_congested:
            self.on_clear()

    def _let_go(self) -> None:
        """Let what waits for room look for it again."""
        if self._has_room is not None:
            self._has_room.set()
            self._has_room = None
