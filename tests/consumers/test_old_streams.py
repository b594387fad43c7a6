"""Streams that end because they are old: what each client sees, and comes back to."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from pytest_django import Settings

from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import OpenStream, open_stream
from tests.consumers.shop import server
from tests.consumers.streamable import (
    call_of,
    open_modern,
    open_session,
    read_message,
    shop,
    standalone,
)
from tests.consumers.websocket_connections import Closed, WebSocket, open_websocket
from tests.patience import PATIENCE_SECONDS
from tests.site.mcp import Door

open_to_all = pytest.mark.usefixtures("without_authentication")
ODD = 0.01
"""A largest age that is over at the next look."""


@open_to_all
async def test_streams_of_every_binding_end_when_they_are_old(
    settings: Settings,
) -> None:
    """We promise it: MCP["MAX_STREAM_SECONDS"], each as its client understands."""
    settings.MCP = {**settings.MCP, "MAX_STREAM_SECONDS": ODD}
    listen = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {"notifications": {"toolsListChanged": True}},
    }
    session = await open_session()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            open_stream(shop) as sse,
            open_websocket(shop) as websocket,
            standalone(session) as own,
        ):
            listening = await open_modern(listen)
            acknowledged = await read_message(listening)
            assert acknowledged["method"].endswith("subscriptions/acknowledged")

            last = await read_message(listening)
            assert (last["id"], last["result"]["resultType"]) == (1, "complete")
            await listening.close()
            await sse.connection.wait_for_end()
            await own.wait_for_end()
            assert await websocket.receive() == Closed(1001, "")
    assert len(current_worker().connections) == 0


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY[:2])
async def test_client_that_comes_back_to_its_session_is_told_of_everything(
    settings: Settings, version: str
) -> None:
    """We promise it: without `Last-Event-ID`, too; and once."""
    settings.MCP = {**settings.MCP, "MAX_STREAM_SECONDS": ODD}
    session = await open_session(version)
    await session.ask("resources/subscribe", {"uri": "shop://stock"})
    with anyio.fail_after(PATIENCE_SECONDS):
        async with standalone(session) as stream:
            await stream.wait_for_end()
        server.resource_updated("shop://stock")
        settings.MCP = {**settings.MCP, "MAX_STREAM_SECONDS": 1000}
        async with standalone(session) as stream:
            told = [json.loads((await stream.read_event()).data) for _ in range(4)]
        assert told[-1]["params"] == {"uri": "shop://stock"}
        async with standalone(session) as stream:
            server.prompts_changed()
            said = json.loads((await stream.read_event()).data)
            assert said["method"] == "notifications/prompts/list_changed"


@open_to_all
@pytest.mark.parametrize("binding", ["sse", "websocket"])
async def test_session_at_work_is_answered_before_it_ends(
    binding: str, door: Door
) -> None:
    """We promise it: no answer is lost; what comes later is refused in clear words."""
    opened: AbstractAsyncContextManager[WebSocket | OpenStream]
    opened = open_stream(shop) if binding == "sse" else open_websocket(shop)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with opened as client:
            await client.initialize()
            [connection] = current_worker().connections
            assert connection.is_idle
            await send(client, call_of("hold", door="here", id="first"))
            await door.arrivals.receive()
            assert not connection.is_idle

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(connection.retire)
                await anyio.wait_all_tasks_blocked()
                refused = await client.ask("tools/list")
                assert refused["message"] == (
                    "the connection is about to end; connect anew and send the "
                    "request again"
                )
                door.open()
                assert (await receive(client))["id"] == "first"
            if isinstance(client, WebSocket):
                assert await client.receive() == Closed(1001, "")
            else:
                await client.connection.wait_for_end()


async def send(client: WebSocket | OpenStream, message: JSONObject) -> None:
    """Send a message, as its binding does."""
    if isinstance(client, WebSocket):
        client.send(message)
    else:
        await client.post(message)


async def receive(client: WebSocket | OpenStream) -> Any:
    """Wait for a message."""
    if isinstance(client, WebSocket):
        return await client.receive()
    return await client.read_message()
