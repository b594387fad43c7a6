"""Requests of a client that are under way at the server."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import LOG_LEVEL_META_KEY
from mcp_types.jsonrpc import JSONRPCResponse

from mcp_django.bridge.bridge import bridge
from mcp_django.protocol import jsonrpc
from mcp_django.transports.memory import memory_transports
from tests.bridge.bridges import RawClient, RawServer, raw_pair
from tests.client import virtual_time

TEXT = {"content": [{"type": "text", "text": "done"}]}


@pytest.fixture
def anyio_backend(anyio_backend: str) -> tuple[str, dict[str, Any]]:
    """Give event loops whose clocks jump."""
    return anyio_backend, virtual_time.BACKENDS[anyio_backend]()


@pytest.mark.parametrize(("seconds", "is_answered"), [(0.5, True), (5, False)])
async def test_requests_under_way_are_answered_if_the_client_reads_and_it_is_soon(
    seconds: float, is_answered: bool
) -> None:
    """Chosen: as with the server itself, so that `printf ... | mcp_stdio` works."""
    async with anyio.create_task_group() as tasks:
        played = RawServer("modern", tasks)
        near_end, client_end = memory_transports()
        client = RawClient(near_end)
        await near_end.start(tasks)
        tasks.start_soon(bridge, client_end, played)
        id = await client.request("tools/call", client.modern({"name": "go"}))
        request = await played.request("tools/call")
        began = anyio.current_time()

        async def reply() -> None:
            await anyio.sleep(seconds)
            await played.reply(request, TEXT)

        async with anyio.create_task_group() as replying:
            replying.start_soon(reply)
            # What transports do that see the end of what their client sends.
            await client_end.on_end()
            replying.cancel_scope.cancel()
        assert anyio.current_time() - began < 2
        await client_end.close()
        await anyio.wait_all_tasks_blocked()
        answers = [m.id for m in client.received if isinstance(m, JSONRPCResponse)]
        assert answers == ([id] if is_answered else [])
        tasks.cancel_scope.cancel()


async def test_number_of_requests_under_way_is_bounded() -> None:
    """Chosen: a thousand; the client is told."""
    async with raw_pair(server_era="modern") as (client, played):
        for _ in range(1000):
            await client.request("tools/call", client.modern({"name": "go"}))
            await played.request("tools/call")
        error = await client.error_of("tools/call", client.modern({"name": "go"}))
        assert error.message == "1000 requests wait for their answers already"


async def test_id_that_is_used_twice_is_ignored() -> None:
    """Spec: 2025-11-25 basic, "Requests": ids must not be reused."""
    async with raw_pair(server_era="legacy") as (client, played):
        await client.initialize()
        await client.request("tools/call", {"name": "go"})
        request = await played.request("tools/call")
        await client.send(jsonrpc.request(2, "tools/call", {"name": "again"}))
        await client.call("ping")
        await played.reply(request, TEXT)
        assert isinstance(await client.answer_to(2), JSONRPCResponse)


async def test_log_message_is_heard_by_those_only_who_want_it() -> None:
    """Spec: 2026-07-28 server/utilities/logging: none unless the client asks."""
    async with raw_pair(server_era="legacy", capabilities={"logging": {}}) as (
        client,
        played,
    ):
        log = jsonrpc.notification("notifications/message", {"level": "info"})
        id = await client.request("tools/call", client.modern({"name": "quiet"}))
        request = await played.request("tools/call")
        await played.send(log)
        await played.reply(request, TEXT)
        await client.answer_to(id)
        wanting = client.modern({"name": "loud"}, **{LOG_LEVEL_META_KEY: "info"})
        id = await client.request("tools/call", wanting)
        chosen = await played.request("logging/setLevel")
        assert chosen.params == {"level": "info"}
        await played.reply(chosen, {})
        request = await played.request("tools/call")
        await played.send(log)
        await played.send(
            jsonrpc.notification("notifications/message", {"level": "debug"})
        )
        await played.reply(request, TEXT)
        await client.answer_to(id)
        assert client.notifications("notifications/message") == [{"level": "info"}]
