"""Exchanges that know how far their client has read what it was answered."""

from __future__ import annotations

import time
from typing import Final

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.consumers.daphne import flow_of, leave
from mcp_django.consumers.exchange import PIECE_BYTES, Exchange
from mcp_django.transports.server.flow_control import Flow, Uptake
from mcp_django.transports.server.http_response import Headers
from mcp_django.transports.tap import tap

logger = FaultLog("mcp_django.consumers")

_LOOK_SECONDS: Final = 1.0
"""How often to look whether a client reads that has much to read."""


class FlowAwareExchange(Exchange):
    """An exchange that knows whether the client takes its event stream.

    A stream that ends while much is unread takes the connection with it: what lies in
    the server's buffer for a client that does not read would lie there for long.
    """

    flow: Flow | None = None
    """None unless the answer is an event stream, or large, and has not ended."""

    @property
    def is_congested(self) -> bool:
        """Whether a write would wait until the client has read something."""
        return self.flow is not None and self.flow.is_congested

    def leave(self) -> None:
        """Go on without the client, for as long as it takes."""
        leave(self._send)

    def watch(self) -> Flow:
        """Give what tells whether the client reads, until the answer has ended."""
        if self.flow is None:
            self.flow = flow_of(self._send)
        return self.flow

    async def start_events(self, headers: Headers = ()) -> None:
        """Begin to answer with an event stream."""
        await super().start_events(headers)
        self.watch()

    async def end_stream(self) -> None:
        """End the stream cleanly if its client reads; more calls do nothing."""
        if self.is_congested:
            self.abort()
        self._close_flow()
        await super().end_stream()

    def abort(self) -> None:
        """End the connection at once, with all that the client has not read."""
        if self.flow is not None:
            self.flow.abort()
        self._close_flow()

    def _close_flow(self) -> None:
        if self.flow is not None:
            self.flow.close()
            self.flow = None


class FlowControlledExchange(FlowAwareExchange):
    """An exchange that waits for a slow reader, and ends one that does not read.

    What is large goes in pieces, each once the client has read enough of the others,
    until little of it is unread. When the client has read nothing for
    `MCP["MAX_FULL_SECONDS"]`, the connection ends. Other servers than Daphne wait in
    their own `send`.
    """

    _uptake: Uptake | None = None

    def watch(self) -> Flow:
        """Give what tells whether the client reads, and note for how long not."""
        flow = super().watch()
        self._uptake = self._uptake or Uptake(flow)
        return flow

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing, when it was looked last."""
        return 0.0 if self._uptake is None else self._uptake.seconds

    def look(self) -> float:
        """Look for how long the client has taken nothing of what it was sent."""
        return 0.0 if self._uptake is None else self._uptake.look()

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the stream; waits while the client has much to read."""
        if tap.watches:
            tap.show("sent", chunk, self)
        if self.is_congested:
            await self._wait_for_reader()
        if len(chunk) <= PIECE_BYTES:
            if not self.is_ended:
                await self._write(chunk)
            return
        await self._write_in_pieces(chunk)

    async def _send_in_pieces(self, body: bytes) -> None:
        self.watch()
        try:
            await self._write_in_pieces(body)
        except BaseException:
            # It cannot be completed any more, and must not be taken for whole.
            self.abort()
            raise
        if not self.is_ended:
            self._close_flow()
            await self._end(b"")

    async def _write_in_pieces(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), PIECE_BYTES):
            if self.is_ended:
                return
            await self._write(chunk[start : start + PIECE_BYTES])
            if self.is_congested:
                await self._wait_for_reader()

    async def _write(self, chunk: bytes) -> None:
        if self._uptake is not None:
            self._uptake.is_pending = True
        await super()._write(chunk)

    def _close_flow(self) -> None:
        super()._close_flow()
        self._uptake = None

    async def _wait_for_reader(self) -> None:
        progress, since = None, time.monotonic()
        while (flow := self.flow) is not None and flow.is_congested:
            if flow.progress() != progress:
                progress, since = flow.progress(), time.monotonic()
            elif time.monotonic() - since >= mcp_settings.MAX_FULL_SECONDS:
                logger.warning(
                    "a connection ends, as its client does not read what it asked for"
                )
                self.is_ended = True
                self.abort()
                return
            with anyio.move_on_after(min(_LOOK_SECONDS, mcp_settings.MAX_FULL_SECONDS)):
                await flow.wait()
