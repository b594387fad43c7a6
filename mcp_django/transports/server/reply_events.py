"""The events of a reply: to the client while it is there, and to a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from mcp_django.exceptions import MessageTooLarge
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    encode_event,
    encode_priming,
    encode_retry,
)
from mcp_django.transports.server.event_log import EventLog
from mcp_django.transports.server.http_response import Headers, HTTPResponse


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """What a reply may cost, and when it becomes a stream; see the `MCP` settings."""

    max_event_bytes: int
    stream_after_seconds: float
    keep_alive_seconds: float
    max_result_bytes: int = 32 * 1024 * 1024
    max_held_seconds: float = 300.0

    def check_event(self, data: bytes) -> None:
        """Refuse what is larger than clients take in one event.

        Raises:
            MessageTooLarge: It is.
        """
        if len(data) > self.max_event_bytes:
            raise MessageTooLarge(len(data), self.max_event_bytes)


class ReplyEvents:
    """Writes the events of one reply, and keeps them for a client that comes back.

    Args:
        response: Writes the HTTP response.
        primes: Whether the stream begins with an event without data.
        clock: Gives the time in seconds; never goes back.
        begun_at: Since when nothing has been written, by that clock.

    Attributes:
        log: Keeps the events; None where no client can come back.
        lock: Held while events are written, so that they do not mix.
    """

    __slots__ = ("_clock", "_primes", "_response", "_written_at", "lock", "log")

    def __init__(
        self,
        response: HTTPResponse,
        *,
        log: EventLog | None,
        primes: bool,
        clock: Callable[[], float],
        begun_at: float,
    ) -> None:
        self._response = response
        self.log = log
        self._primes = primes
        self._clock = clock
        self._written_at = begun_at
        self.lock = anyio.Lock()

    async def open(self, headers: Headers) -> None:
        """Begin the stream."""
        await self._response.start_events(headers)
        if self.log is not None and self._primes:
            id = await self.log.open()
            if id:
                await self._write(encode_priming(id, self.log.retry_ms))

    async def keep(self, data: bytes, *, is_last: bool) -> str:
        """Keep an event and give its id; "" where it is not kept.

        Raises:
            TransportClosed: Another process ended the stream in place of us.
        """
        if self.log is None:
            return ""
        return await self.log.append(data, is_last=is_last)

    async def write(self, data: bytes, id: str) -> None:
        """Write an event to the client."""
        await self._write(encode_event("message", data, id=id))

    async def write_retry(self, retry_ms: int) -> None:
        """Tell the client when to come back."""
        await self._write(encode_retry(retry_ms))

    async def tell(self) -> None:
        """Tell a client that came back already that there is more."""
        if self.log is not None:
            await self.log.tell()

    async def finish(self) -> None:
        """Keep that no event will follow, and tell a client that came back."""
        if self.log is not None:
            await self.log.end()
            await self.log.tell()

    def tick(self) -> None:
        """Note that the stream is open. Called every second; waits for none."""
        if self.log is not None:
            self.log.tick()

    async def keep_alive(self, limits: ReplyLimits) -> None:
        """Keep the connection alive, or end one through which nothing passes."""
        if self._response.look() > limits.max_held_seconds:
            self._response.abort()
            return
        silence = self._clock() - self._written_at
        # Other streams have to be ticked as well, and cannot wait for a slow client.
        is_busy = self.lock.locked() or self._response.is_congested
        if silence >= limits.keep_alive_seconds and not is_busy:
            async with self.lock:
                await self._write(KEEP_ALIVE)

    async def _write(self, chunk: bytes) -> None:
        self._written_at = self._clock()
        await self._response.write(chunk)
