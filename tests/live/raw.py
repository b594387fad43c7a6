"""HTTP+SSE by hand: what a client does on the wire, no more."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast
from urllib.parse import urljoin

import anyio
import httpx2
from httpx2 import ServerSentEvent

from tests import patience

BOUND = patience.PATIENCE_SECONDS
"""Seconds that anything may take before a test gives up."""

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "by hand", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class RawStream:
    """An open stream, and the endpoint to post to.

    Attributes:
        endpoint: URL for POSTs.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        events: AsyncGenerator[ServerSentEvent],
        endpoint: str,
    ) -> None:
        self._http = http
        self._events = events
        self.endpoint = endpoint

    async def post(self, message: Mapping[str, Any]) -> int:
        """Post a message and return the HTTP status."""
        response = await self._http.post(self.endpoint, json=message)
        return response.status_code

    async def receive(self) -> dict[str, Any]:
        """Wait for the next message.

        Raises:
            StopAsyncIteration: The stream ended as HTTP wants it.
        """
        with anyio.fail_after(BOUND):
            event = await anext(self._events)
        return cast(dict[str, Any], event.json())

    async def receive_answer(self, id: int) -> dict[str, Any]:
        """Wait for the answer to a request, and return its result."""
        while (message := await self.receive()).get("id") != id:
            pass
        return cast(dict[str, Any], message["result"])

    async def initialize(self) -> None:
        """Open the session."""
        assert await self.post(INITIALIZE) == 202
        await self.receive_answer(0)
        assert await self.post(INITIALIZED) == 202

    async def call(self, id: int, name: str, **arguments: Any) -> int:
        """Post a tool call and return the HTTP status."""
        return await self.post(
            {
                "jsonrpc": "2.0",
                "id": id,
                "method": "tools/call",
                "params": {"name": name, "arguments": arguments},
            }
        )


@asynccontextmanager
async def open_http(headers: Mapping[str, str] | None = None) -> AsyncIterator[Any]:
    """Open an HTTP client for any number of streams."""
    async with httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(BOUND, read=None),
        limits=httpx2.Limits(max_connections=None),
    ) as http:
        yield http


@asynccontextmanager
async def open_stream(
    http: httpx2.AsyncClient, site: str, *, post_to: str | None = None
) -> AsyncIterator[RawStream]:
    """Open a stream of the fixture site and wait for its endpoint.

    Args:
        http: Sends the requests.
        site: Address of the process that holds the stream.
        post_to: Address of another one to post to.
    """
    url = f"{site}/mcp/sse"
    async with http.sse(url) as source:
        source.response.raise_for_status()
        iterator = cast(AsyncGenerator[ServerSentEvent], aiter(source))
        async with aclosing(iterator) as events:
            with anyio.fail_after(BOUND):
                event = await anext(events)
            assert event.event == "endpoint"
            yield RawStream(http, events, urljoin(post_to or url, event.data))
