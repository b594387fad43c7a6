"""The official SDK's own server behind our SSE consumers, driven in process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client

from mcp_django import Server
from mcp_django.consumers.exchange import Exchange, Receive, Scope, Send
from mcp_django.consumers.messages import MessagesConsumer
from mcp_django.consumers.sse import SSEConsumer
from mcp_django.sessions.registry import Registry
from mcp_django.sessions.session import Session
from mcp_django.transports.server.sse import SSEServerTransport
from mcp_django.transports.streams import open_streams
from mcp_django.worker.worker import current_worker
from tests import patience
from tests.interaction.in_process import InProcessTransport
from tests.transports.official_sdk import make_server, wrap
from tests.transports.test_official_sdk import accept

PATIENCE_SECONDS = patience.PATIENCE_SECONDS


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio: Channels does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def without_authentication(settings: Any) -> None:
    settings.MCP = {"AUTHENTICATION": []}


class OfficialConsumer(SSEConsumer):
    """Runs the SDK's server over the stream, in the place of our session."""

    def drive(self, transport: SSEServerTransport, session_id: str) -> Session | None:
        return None

    async def stay(self, exchange: Exchange, transport: SSEServerTransport) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._serve, transport)
            await super().stay(exchange, transport)
            tasks.cancel_scope.cancel()

    async def _serve(self, transport: SSEServerTransport) -> None:
        server = make_server()
        async with open_streams(transport, wrap=wrap, start=False) as (read, write):
            await server.run(read, write, server.create_initialization_options())


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the SDK's server at /mcp/sse."""
    consumers = {"/mcp/sse": OfficialConsumer, "/mcp/messages": MessagesConsumer}
    consumer: Any = consumers[scope["path"]].as_asgi(server=Server("official"))
    await consumer(scope, receive, send)


def open_client(
    headers: dict[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        headers=headers, timeout=timeout, auth=auth, transport=InProcessTransport(site)
    )


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[ClientSession]:
    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            sse_client(
                "http://testserver/mcp/sse", httpx_client_factory=open_client
            ) as (read, write),
            ClientSession(read, write, **options) as session,
        ):
            await session.initialize()
            yield session


async def test_official_server_is_served_over_our_sse_binding() -> None:
    """Our choice: the adapter is proven by a program that knows nothing of us."""
    async with connected(elicitation_callback=accept) as session:
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == ["add", "who", "ask"]
        called = await session.call_tool("add", {"a": 1, "b": 2})
        assert called.content == [types.TextContent(text="3")]
        called = await session.call_tool("who")
        assert called.content == [types.TextContent(text="AnonymousUser")]
        called = await session.call_tool("ask")
        assert called.content == [types.TextContent(text="accept")]


async def test_official_server_ends_when_its_client_leaves() -> None:
    """Our choice: streams and tasks end, and the session is forgotten."""
    registry = current_worker().part(Registry)
    async with connected() as session:
        await session.send_ping()
        assert len(registry) == 1
    # The consumer has ended: the client's transport waits for it.
    assert len(registry) == 0


async def test_official_server_takes_many_calls_at_once() -> None:
    """Our choice: each POST is answered at once, each result comes on the stream."""
    sums: list[str] = []
    async with connected() as session:

        async def add(number: int) -> None:
            called = await session.call_tool("add", {"a": number, "b": 1})
            [block] = called.content
            assert isinstance(block, types.TextContent)
            sums.append(block.text)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(add, number)
    assert sorted(sums, key=int) == [str(number + 1) for number in range(20)]
