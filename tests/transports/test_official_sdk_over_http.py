"""The official SDK's client over our HTTP transports, and our server, in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import ClientSession
from mcp.shared.exceptions import MCPError

from mcp_django.transports.base import Transport
from mcp_django.transports.client.sse import SSEClientTransport
from mcp_django.transports.client.streamable_http import StreamableHTTPClientTransport
from mcp_django.transports.streams import open_streams
from tests import patience
from tests.consumers.connections import site_of
from tests.interaction.in_process import InProcessTransport
from tests.transports.test_official_sdk import accept, shop

PATIENCE_SECONDS = patience.PATIENCE_SECONDS

Make = Callable[[httpx2.AsyncClient], Transport]

BINDINGS: dict[str, Make] = {
    "streamable HTTP": lambda http: StreamableHTTPClientTransport(
        "http://testserver/mcp", http=http
    ),
    "SSE": lambda http: SSEClientTransport("http://testserver/mcp/sse", http=http),
}


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio: Channels does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def without_authentication(settings: Any) -> None:
    settings.MCP = {"AUTHENTICATION": []}


@asynccontextmanager
async def connected(make: Make, **options: Any) -> AsyncIterator[ClientSession]:
    """Join the SDK's client and our site by one of our transports."""
    in_process = InProcessTransport(site_of(shop))
    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            httpx2.AsyncClient(transport=in_process) as http,
            open_streams(make(http)) as (read, write),
            ClientSession(read, write, **options) as session,
        ):
            yield session


@pytest.mark.parametrize("make", BINDINGS.values(), ids=BINDINGS)
async def test_official_client_uses_our_server(make: Make) -> None:
    """Our choice: the transports are proven by a client nobody here wrote."""
    async with connected(make, elicitation_callback=accept) as session:
        opened = await session.initialize()
        assert opened.server_info.name == "shop"
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == ["add", "ship"]
        called = await session.call_tool("add", {"a": 1, "b": 2})
        assert called.structured_content == {"result": 3}
        read = await session.read_resource("shop://terms")
        assert [item.uri for item in read.contents] == ["shop://terms"]


@pytest.mark.parametrize("make", BINDINGS.values(), ids=BINDINGS)
async def test_official_client_is_asked_and_told_of_progress(make: Make) -> None:
    """Our choice: questions and reports come before the answer."""
    reported: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    async with connected(make, elicitation_callback=accept) as session:
        await session.initialize()
        called = await session.call_tool("ship", progress_callback=note)
        assert called.content == [types.TextContent(text="accept True")]
    assert reported == [1, 2]


@pytest.mark.parametrize("make", BINDINGS.values(), ids=BINDINGS)
async def test_official_client_calls_many_at_once(make: Make) -> None:
    """Our choice: answers find their requests, in whatever order they come."""
    sums: dict[int, str] = {}
    async with connected(make) as session:
        await session.initialize()

        async def add(number: int) -> None:
            called = await session.call_tool("add", {"a": number, "b": 1})
            [block] = called.content
            assert isinstance(block, types.TextContent)
            sums[number] = block.text

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(add, number)
    assert sums == {number: str(number + 1) for number in range(20)}


async def test_official_client_speaks_the_modern_era() -> None:
    """Our choice: the same transport serves either era, by what messages carry."""
    async with connected(BINDINGS["streamable HTTP"]) as session:
        discovered = await session.discover()
        assert "2026-07-28" in discovered.supported_versions
        session.adopt(discovered)
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == ["add", "ship"]
        called = await session.call_tool("add", {"a": 1, "b": 2})
        assert called.structured_content == 3


@pytest.mark.parametrize("make", BINDINGS.values(), ids=BINDINGS)
async def test_official_client_learns_that_a_request_failed(make: Make) -> None:
    """Our choice: a refusal by HTTP ends the request, and not the session."""
    async with connected(make) as session:
        await session.initialize()
        with pytest.raises(MCPError) as caught:
            await session.call_tool("add", {"a": "x" * 5 * 1024 * 1024})
        assert "was refused with status 413" in caught.value.error.message
        await session.send_ping()
