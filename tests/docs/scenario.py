"""What a client does with the shop over each of the documented transports."""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types
import pytest

from mcp_django import Client, RequestTimeout, ToolError
from mcp_django.client.connecting import Target
from mcp_django.protocol import jsonrpc
from tests import patience
from tests.docs.shop import server

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
PING = jsonrpc.request(1, "ping", None)

each_era = pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def accept(form: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"sure": True})


async def assert_can_everything(target: Target, version: str) -> None:
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


async def assert_hears_of_changes(target: Target, version: str) -> None:
    """Listen to a resource that changes."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            Client(target, version=version) as client,
            client.listen("shop://stock") as changes,
        ):
            server.resource_updated("shop://stock")
            change = await anext(changes)
            assert isinstance(change, types.ResourceUpdatedNotification)
