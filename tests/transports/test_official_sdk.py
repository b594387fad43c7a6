"""Programs written with the official SDK, over our memory transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import ClientSession
from mcp.client.context import ClientRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from mcp_django import Context, Server
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import memory_transports
from mcp_django.transports.streams import open_streams
from tests import patience
from tests.transports.official_sdk import make_server, wrap

PATIENCE_SECONDS = patience.PATIENCE_SECONDS


async def accept(
    context: ClientRequestContext, params: types.ElicitRequestParams
) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"sure": True})


@asynccontextmanager
async def connected_to_official_server(**options: Any) -> AsyncIterator[ClientSession]:
    """Join the SDK's client and the SDK's server by our transport."""
    client_end, server_end = memory_transports(client=Sender(user="alice"))
    server = make_server()

    async def serve() -> None:
        async with open_streams(server_end, wrap=wrap) as (read, write):
            await server.run(read, write, server.create_initialization_options())

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            async with (
                open_streams(client_end) as (read, write),
                ClientSession(read, write, **options) as session,
            ):
                yield session


async def test_official_server_and_client_talk_over_our_transport() -> None:
    """Our choice: the adapter is proven by a program that knows nothing of us; when
    the client leaves, the server ends by itself."""
    async with connected_to_official_server(elicitation_callback=accept) as session:
        opened = await session.initialize()
        assert opened.server_info.name == "official"
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == ["add", "who", "ask"]
        called = await session.call_tool("who")
        assert called.content == [types.TextContent(text="alice")]
        called = await session.call_tool("ask")
        assert called.content == [types.TextContent(text="accept")]


async def test_official_server_takes_many_calls_at_once() -> None:
    """Our choice: answers find their requests, in whatever order they come."""
    sums: dict[int, str] = {}
    async with connected_to_official_server() as session:
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


# The SDK's client, and our server ---------------------------------------------------

shop = Server("shop", version="1.2.3")


class Confirm(BaseModel):
    sure: bool


@shop.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@shop.tool
async def ship(context: Context) -> str:
    """Ship after asking."""
    await context.report_progress(1, total=2)
    answer = await context.elicit("Really?", Confirm)
    await context.report_progress(2, total=2)
    return f"{answer.action} {answer.data.sure}"


@shop.resource("shop://terms")
async def terms() -> str:
    """The terms."""
    return "None."


@shop.prompt
async def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


@asynccontextmanager
async def connected_to_our_server(**options: Any) -> AsyncIterator[ClientSession]:
    """Join the SDK's client and our session by our transport."""
    client_end, server_end = memory_transports(client=Sender(user=None))
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            Session(shop, server_end, tasks)
            await server_end.start(tasks)
            async with (
                open_streams(client_end) as (read, write),
                ClientSession(read, write, **options) as session,
            ):
                opened = await session.initialize()
                assert opened.server_info.version == "1.2.3"
                yield session


async def test_official_client_uses_our_server() -> None:
    """Our choice: a client nobody here wrote, in process and on both event loops."""
    async with connected_to_our_server() as session:
        await session.send_ping()
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == ["add", "ship"]
        called = await session.call_tool("add", {"a": 1, "b": 2})
        assert called.content == [types.TextContent(text="3")]
        assert called.structured_content == {"result": 3}
        read = await session.read_resource("shop://terms")
        assert read.contents == [
            types.TextResourceContents(
                uri="shop://terms", mime_type="text/plain", text="None."
            )
        ]
        got = await session.get_prompt("greet", {"name": "Ada"})
        assert got.messages == [
            types.PromptMessage(
                role="user", content=types.TextContent(text="Say hello to Ada.")
            )
        ]


async def test_official_client_is_asked_and_told_of_progress() -> None:
    """Our choice: progress grows on, although the handler is run again."""
    reported: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    async with connected_to_our_server(elicitation_callback=accept) as session:
        called = await session.call_tool("ship", progress_callback=note)
        assert called.content == [types.TextContent(text="accept True")]
    assert reported == [1, 2]


async def test_official_client_gets_our_errors() -> None:
    """Our choice: codes come through."""
    async with connected_to_our_server() as session:
        with pytest.raises(MCPError) as caught:
            await session.read_resource("shop://nothing")
        assert caught.value.error.code == -32002
        called = await session.call_tool("ship")
        assert called.is_error
        # The session lives on.
        await session.send_ping()
