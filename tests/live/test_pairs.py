"""Pairs of streams with real servers: for our client, and for the official SDK's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from mcp import ClientSession
from mcp_types import TextContent

from mcp_django import (
    Client,
    sse_client,
    stdio_client,
    streamable_http_client,
    websocket_client,
)
from tests.live.daphne import Daphne
from tests.live.raw import BOUND

pytestmark = pytest.mark.live

PROGRAM = """
import anyio, django
django.setup()
from mcp_django import Server, stdio_server

server = Server("example-server")

@server.tool
async def add(a: int, b: int) -> int:
    print("this goes to standard error")
    return a + b

async def main():
    async with stdio_server() as (read, write):
        await server.run(read, write)

anyio.run(main)
"""
ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": "."}
Pair = AbstractAsyncContextManager[tuple[Any, Any]]
PAIRS: dict[str, Callable[[Daphne], Pair]] = {
    "stdio": lambda site: stdio_client(
        [sys.executable, "-c", PROGRAM], env=ENVIRONMENT
    ),
    "sse": lambda site: sse_client(f"{site.url}/mcp/sse"),
    "http": lambda site: streamable_http_client(f"{site.url}/mcp"),
    "websocket": lambda site: websocket_client(
        f"{site.url.replace('http', 'ws', 1)}/mcp"
    ),
}
SUM = [TextContent(text="5")]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_client_of_ours_takes_the_pair(
    pair: Callable[[Daphne], Pair], site: Daphne
) -> None:
    """We promise it: it finds out what the server speaks."""
    with anyio.fail_after(BOUND):
        async with pair(site) as (read, write), Client((read, write)) as client:
            result = await client.call_tool("add", {"a": 2, "b": 3})
            assert result.content == SUM


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_session_of_the_official_sdk_takes_the_pair(
    pair: Callable[[Daphne], Pair], site: Daphne
) -> None:
    """We promise it: as it takes those of its own transports."""
    with anyio.fail_after(BOUND):
        async with pair(site) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            result = await session.call_tool("add", {"a": 2, "b": 3})
            assert result.content == SUM
