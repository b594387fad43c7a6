"""The page's fast path: a server in the same process, from both ends."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import anyio
import mcp_types as types
import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import translation
from pytest_django import Settings

from mcp_django import Client, SyncClient, TransportClosed
from mcp_django.client.connecting import MakeTransport
from mcp_django.protocol import jsonrpc
from tests.docs.conftest import Import
from tests.docs.scenario import (
    PATIENCE_SECONDS,
    accept,
    assert_can_everything,
    assert_hears_of_changes,
    each_era,
    on_asyncio,
    text_of,
)
from tests.docs.shop import server
from tests.transports.witness import Witness


@pytest.fixture
def direct_client(shown: Import) -> MakeTransport:
    """Make the client's half of a transport that brings its server along."""
    client = shown("shop.direct").InProcessTransport
    return partial(client, server, User(username="ada"))


@each_era
async def test_direct_way_carries_everything(
    direct_client: MakeTransport, version: str
) -> None:
    """Our choice: in both eras, on both event loops."""
    await assert_can_everything(direct_client, version)


@on_asyncio
@each_era
async def test_direct_way_tells_of_changes(
    direct_client: MakeTransport, version: str
) -> None:
    """Our choice: as every connection does."""
    await assert_hears_of_changes(direct_client, version)


@each_era
def test_direct_way_is_open_to_code_that_is_not_async(
    direct_client: MakeTransport, version: str
) -> None:
    """Our choice: an ordinary view is where it is wanted."""
    with SyncClient(direct_client, version=version, on_elicit=accept) as client:
        assert text_of(client.call_tool("who")) == "ada"
        assert text_of(client.call_tool("ship")) == "accept"


def test_view_of_the_page_calls_a_tool(shown: Import) -> None:
    """Our choice: as the user who is logged in."""
    call_view: Any = shown("shop.tool_views").call_view
    request: Any = RequestFactory().get("/", {"a": "1", "b": "2"})
    request.user = User(username="ada")
    assert json.loads(call_view(request, "add").content)["structured_content"] == 3
    request = RequestFactory().get("/")
    request.user = User(username="ada")
    [said] = json.loads(call_view(request, "who").content)["content"]
    assert said["text"] == "ada"


@each_era
async def test_handlers_see_the_context_of_the_caller(
    direct_client: MakeTransport, version: str
) -> None:
    """Our choice: a language that the caller has chosen, for example."""
    async with Client(direct_client, version=version) as client:
        with translation.override("de"):
            assert text_of(await client.call_tool("language")) == "de"
        with translation.override("fr"):
            assert text_of(await client.call_tool("language")) == "fr"


async def test_messages_are_handed_over_as_they_are(shown: Import) -> None:
    """Our choice: that is what is gained."""
    direct: Any = shown("shop.direct")
    one = direct.DirectTransport()
    other = direct.DirectTransport(one)
    one.peer = other
    witness = Witness(other)
    message = jsonrpc.request(1, "tools/call", {"arguments": {"rows": [object()]}})
    async with anyio.create_task_group() as tasks:
        await one.start(tasks)
        await other.start(tasks)
        await one.send(message)
    assert witness.messages[0] is message
    await other.close()
    assert witness.closed == 1
    with pytest.raises(TransportClosed):
        await one.send(message)


async def test_sender_that_waits_for_a_server_without_room_is_let_go(
    shown: Import, settings: Settings
) -> None:
    """Our choice: whoever has no room lets the sender wait, and the end does not."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    transport = shown("shop.direct").InProcessTransport(server, User(username="ada"))
    witness = Witness(transport)

    async def call(number: int) -> None:
        params = {
            "name": "wait",
            "_meta": {
                types.PROTOCOL_VERSION_META_KEY: "2026-07-28",
                types.CLIENT_CAPABILITIES_META_KEY: {},
            },
        }
        await transport.send(jsonrpc.request(number, "tools/call", params))

    async def call_in_vain(number: int) -> None:
        with pytest.raises(TransportClosed):
            await call(number)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await call(1)
            await call(2)
            tasks.start_soon(call_in_vain, 3)
            await anyio.wait_all_tasks_blocked()
            await transport.close()
    assert witness.closed == 1
