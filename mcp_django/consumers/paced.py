"""An exchange whose event stream goes no faster than its client reads."""

from __future__ import annotations

import logging

import anyio

from mcp_django.conf import mcp_settings
from mcp_django.consumers.daphne import flow_of, leave
from mcp_django.consumers.exchange import Exchange, Headers
from mcp_django.transports.flow import Flow

logger = logging.getLogger("mcp_django.consumers")


class PacedExchange(Exchange):
    """An exchange that waits for a slow reader, and ends one that does not read.

    `write` waits while the client has much to read, and the stream ends when it has
    read nothing for `MCP["MAX_FULL_SECONDS"]`. Other servers than Daphne wait in their
    own `send`.
    """

    _flow: Flow | None = None
    """None unless the answer is an event stream that has not ended."""

    @property
    def is_congested(self) -> bool:
        """Whether a write would wait until the client has read something."""
        return self._flow is not None and self._flow.is_congested

    def leave(self) -> None:
        """Go on without the client, for as long as it takes."""
        leave(self._send)

    async def start_events(self, headers: Headers = ()) -> None:
        """Begin to answer with an event stream."""
        await super().start_events(headers)
        self._flow = flow_of(self._send)

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the stream, once the client has read enough of the others."""
        if self.is_congested:
            await self._wait_for_reader()
        if not self.is_ended:
            await super().write(chunk)

    async def end_stream(self) -> None:
        """End the stream cleanly; more calls do nothing."""
        if self._flow is not None:
            self._flow.close()
            self._flow = None
        await super().end_stream()

    async def _wait_for_reader(self) -> None:
        while (flow := self._flow) is not None and flow.is_congested:
            before = flow.progress()
            with anyio.move_on_after(mcp_settings.MAX_FULL_SECONDS):
                await flow.wait()
            if flow.is_congested and flow.progress() == before:
                logger.warning("a stream ends: its client does not read")
                await self.end_stream()
