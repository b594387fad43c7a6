"""The four transports of the documentation, from both ends and in both eras."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import mcp_types as types
import pytest
from anyio.abc import SocketStream
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from pytest_django import DjangoDbBlocker, Settings

from mcp_django import (
    Client,
    ConnectFailed,
    MessageTooLarge,
    RequestTimeout,
    SyncClient,
    ToolError,
    TransportClosed,
)
from mcp_django.client.connecting import MakeTransport
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.sessions.serving import serve
from mcp_django.transports.base import Transport
from mcp_django.transports.streams import open_streams
from tests.docs.conftest import Import
from tests.docs.shop import server
from tests.live.redis import free_port, running_redis
from tests.transports.official_sdk import make_server
from tests.transports.witness import Witness

PATIENCE_SECONDS = 20.0
PING = jsonrpc.request(1, "ping", None)

Running = Callable[[], AbstractAsyncContextManager[MakeTransport]]
"""Runs a server, and gives what makes the client's half of a transport to it."""

each_era = pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def accept(form: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"sure": True})


async def assert_can_everything(target: Any, version: str) -> None:
    """Call, be asked, fail, give up, and do much at once, over one connection."""
    sums: dict[int, Any] = {}
    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(target, version=version, on_elicit=accept) as client:
            assert client.server_info == types.Implementation(
                name="shop", version="1.2.3"
            )
            assert text_of(await client.call_tool("ship")) == "accept"
            with pytest.raises(ToolError, match="There is no such order"):
                await client.call_tool("fail")
            with pytest.raises(RequestTimeout):
                await client.call_tool("wait", timeout=0.1)

            async def add(number: int) -> None:
                result = await client.call_tool("add", {"a": number, "b": 1})
                sums[number] = text_of(result)

            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(add, number)
    assert sums == {number: str(number + 1) for number in range(20)}


def text_of(result: types.CallToolResult) -> str:
    """Give the text of a result that begins with one."""
    block = result.content[0]
    assert isinstance(block, types.TextContent)
    return block.text


async def assert_hears_of_changes(target: Any, version: str) -> None:
    """Listen to a resource that changes."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            Client(target, version=version) as client,
            client.listen("shop://stock") as changes,
        ):
            server.resource_updated("shop://stock")
            change = await anext(changes)
            assert isinstance(change, types.ResourceUpdatedNotification)


async def until_refused(client: Client) -> None:
    """Return once the end of the connection is known."""
    with pytest.raises(TransportClosed):
        while True:
            await client.ping()


# A network protocol ------------------------------------------------------------------


@asynccontextmanager
async def frame_server(
    shown: Import, answer: Callable[[SocketStream], Any] | None = None
) -> AsyncIterator[MakeTransport]:
    """Serve on a port; by the documented function, if no other is given."""
    frames: Any = shown("shop.frames_tcp")
    port = free_port()
    async with anyio.create_task_group() as tasks:
        if answer is None:
            listen = shown("shop.serve_frames").listen
            tasks.start_soon(listen, port, User(username="ada"))
        else:
            listener = await anyio.create_tcp_listener(
                local_host="127.0.0.1", local_port=port
            )
            tasks.start_soon(listener.serve, answer)
        await anyio.wait_all_tasks_blocked()
        yield partial(frames.FrameClientTransport, "127.0.0.1", port)
        tasks.cancel_scope.cancel()


@each_era
async def test_frames_carry_everything(shown: Import, version: str) -> None:
    """Our choice: in both eras, on both event loops."""
    async with frame_server(shown) as make:
        await assert_can_everything(make, version)


@on_asyncio
@each_era
async def test_frames_tell_of_changes(shown: Import, version: str) -> None:
    """Our choice: as every connection does."""
    async with frame_server(shown) as make:
        await assert_hears_of_changes(make, version)
