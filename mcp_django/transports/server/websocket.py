"""WebSocket: one JSON-RPC message for each text frame, both ways.

The protocol names no such transport; it allows any that keeps its message format.

Spec: 2025-11-25 basic/transports, "Custom Transports"; RFC 6455.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse

from mcp_django.exceptions import MessageTooLarge, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.server.flow_control import Flow, Uptake
from mcp_django.transports.server.owed_answers import OwedAnswers
from mcp_django.transports.server.unread import UNCOUNTED_BYTES, Account

GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011

_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """What a WebSocket may cost.

    Attributes:
        max_received_bytes: Largest message to accept.
        max_sent_bytes: Largest message to send.
        max_held_seconds: How long a client may read nothing of what it was sent.
        max_full_seconds: The same, while more waits to be sent.
    """

    max_received_bytes: int
    max_sent_bytes: int
    max_held_seconds: float
    max_full_seconds: float


class WebSocketServerTransport(Transport):
    """The server's half: sends text frames, is handed what came.

    ::

        OPEN --close(), or the consumer learns that the client is gone--> CLOSED

    One message is sent at a time; while the client has yet to read the last one,
    `send` waits. It closes when the client reads nothing for too long, but never while
    the client owes the answer to a request, because its user ponders a question.

    Args:
        send_text: Sends one text frame; raises `TransportClosed` if it cannot.
        send_close: Closes the connection with a code and a reason.
        flow: Tells whether the client keeps up.
        limits: What the connection may cost.
        account: Counts what waits to be sent, and what is large until the client has
            taken it, with what else its user has yet to read.
        clock: Gives the time in seconds; never goes back.
    """

    binding = "websocket"

    def __init__(
        self,
        send_text: Callable[[str], Awaitable[None]],
        send_close: Callable[[int, str], Awaitable[None]],
        *,
        flow: Flow,
        limits: WebSocketLimits,
        account: Account | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._send_text = send_text
        self._send_close = send_close
        self._flow = flow
        self._limits = limits
        self._account = account or Account()
        self._in_buffer = 0
        self._clock = clock
        self._owed = OwedAnswers()
        self._turn = anyio.Lock(fast_acquire=True)
        self._is_sending = False
        self._full_since = 0.0
        self._sent = 0
        self._progress: object = None
        self._progress_at = clock()
        self._uptake = Uptake(flow, clock)
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be sent."""
        return self._is_closed

    @property
    def is_congested(self) -> bool:
        """Whether the client has yet to read what it was sent, or much else."""
        return self._is_behind or self._account.is_full

    @property
    def _is_behind(self) -> bool:
        return self._is_sending or self._flow.is_congested

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing of what it was sent.

        0.0 while it owes an answer, because its user ponders.
        """
        return 0.0 if self._owed else self._uptake.seconds

    async def start(self, tasks: TaskGroup | None = None) -> None:
        """Begin to tell the driver when the client has read enough."""
        self._flow.on_clear = self._empty_buffer

    async def send(self, message: Message) -> None:
        """Send one message as a text frame; waits while the client does not read.

        Raises:
            TransportClosed: The connection is closed, now or while it waited.
            MessageTooLarge: The message is larger than clients take.
            ReaderTooSlow: It is an answer, and the client's user has yet to read too
                much.
            ValueError: The message cannot be written as JSON.
        """
        data = jsonrpc.serialize(message)
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            await self.send_answer(data)
            return
        self._owed.note_withdrawn(message)
        data = self._bounded(data)
        size = self._to_count(data)
        self._account.add(size)  # there is room: what sends it waits with it
        await self._send_frame(data, size, message)

    async def send_answer(self, answer: bytes) -> None:
        """Send one answer as a text frame; waits while the client does not read.

        Raises:
            TransportClosed: The connection is closed, now or while it waited.
            MessageTooLarge: The message is larger than clients take.
            ReaderTooSlow: The client's user has yet to read too much.
        """
        data = self._bounded(answer)
        size = self._to_count(data)
        if size:
            self._account.take(size)
        await self._send_frame(data, size, None)

    def _bounded(self, data: bytes) -> bytes:
        if len(data) > self._limits.max_sent_bytes:
            raise MessageTooLarge(len(data), self._limits.max_sent_bytes)
        return data

    def _to_count(self, data: bytes) -> int:
        """Give how much of a message has to be counted: all or nothing."""
        is_small = len(data) <= UNCOUNTED_BYTES and not self._is_behind
        return 0 if is_small else len(data)

    async def _send_frame(
        self, data: bytes, counted: int, message: Message | None
    ) -> None:
        try:
            async with self._turn:
                self._is_sending = True
                self._full_since = self._clock()
                try:
                    if self._flow.is_congested:
                        await self._flow.wait()
                    if self._is_closed:
                        raise TransportClosed("cannot send: the WebSocket is closed")
                    if message is not None:
                        self._owed.note_sent(message)
                    await self._send_text(data.decode())
                    self._sent += 1
                    self._uptake.is_pending = True
                finally:
                    self._is_sending = False
        except BaseException:
            self._account.give_back(counted)
            raise
        if self._flow.is_congested:
            self._in_buffer += counted
        elif counted:
            self._account.give_back(counted)
        self._clear()

    def _empty_buffer(self) -> None:
        """Be told that the client has taken what was sent."""
        self._account.give_back(self._in_buffer)
        self._in_buffer = 0
        self._clear()

    async def close(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Close the connection; more calls do nothing.

        Args:
            code: Tells the client why.
            reason: The same in words, up to 123 bytes.

        Spec: RFC 6455, 7.4.1.
        """
        if self._is_closed:
            return
        self._is_closed = True
        # What waits to be sent finds it closed.
        self._flow.close()
        self._account.close()
        # A client that does not read keeps no other waiting.
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._send_close(code, reason)
        self.on_close()

    async def receive_text(self, text: str, sender: Sender) -> None:
        """Hand the messages of a text frame over; waits until there is room."""
        if self._is_closed:
            return
        data = text.encode(errors="surrogatepass")
        if len(data) > self._limits.max_received_bytes:
            limit = f"at most {self._limits.max_received_bytes} bytes are taken"
            await self.close(MESSAGE_TOO_BIG, limit)
            return
        await self.deliver(data, sender)

    async def receive(self, message: Message, sender: Sender) -> None:
        """Hand one message over, and keep in mind what it answers."""
        is_answer = isinstance(message, JSONRPCResponse | JSONRPCError)
        if is_answer and self._owed.note_received(message):
            # The user who pondered reads again.
            self._progress_at = self._full_since = self._clock()
        await self.on_message(message, sender)

    async def receive_bytes(self) -> None:
        """Refuse a binary frame: messages are text."""
        await self.close(UNSUPPORTED_DATA, "send each message as a text frame")

    async def tick(self) -> None:
        """Close the connection if its client has read nothing for too long.

        To be called every second or so.
        """
        if self._is_closed:
            return
        now = self._clock()
        progress = (self._sent, self._flow.progress())
        if not self._is_behind or progress != self._progress:
            self._progress = progress
            self._progress_at = self._full_since = now
        is_stuck = self._uptake.look() > self._limits.max_held_seconds
        if self._owed or (self._is_patient(now) and not is_stuck):
            return
        self.on_error(TransportClosed("the client does not read what it is sent"))
        await self.close(POLICY_VIOLATION, "what was sent is not read")

    def _is_patient(self, now: float) -> bool:
        """Say whether the client has time left to read."""
        limits = self._limits
        return now - self._progress_at <= limits.max_held_seconds and (
            not self._is_sending or now - self._full_since <= limits.max_full_seconds
        )

    def _clear(self) -> None:
        if not self._is_closed and not self.is_congested:
            self.on_clear()
