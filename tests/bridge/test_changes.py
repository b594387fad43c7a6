"""What a legacy client hears of changes at a modern server."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.methods import LISTEN
from mcp_django.protocol.subscriptions import SUBSCRIPTION_ID_META_KEY
from tests.bridge.bridges import CLIENT_INFO, RawClient, RawServer, raw_pair
from tests.client import virtual_time

OFFERED: JSONObject = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True},
}
TOOLS_CHANGED = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"
INITIALIZE: JSONObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": CLIENT_INFO,
}


@pytest.fixture
def anyio_backend(anyio_backend: str) -> tuple[str, dict[str, Any]]:
    """Give event loops whose clocks jump."""
    return anyio_backend, virtual_time.BACKENDS[anyio_backend]()


def wanted_by(request: JSONRPCRequest) -> JSONObject:
    """Give what a request to listen asks for."""
    assert request.params is not None
    wanted: JSONObject = request.params["notifications"]
    return wanted


async def acknowledge(
    played: RawServer, request: JSONRPCRequest, honored: JSONObject | None = None
) -> None:
    """Begin a subscription, of all that is asked for if nothing else is said."""
    params = {
        "_meta": {SUBSCRIPTION_ID_META_KEY: request.id},
        "notifications": wanted_by(request) if honored is None else honored,
    }
    method = "notifications/subscriptions/acknowledged"
    await played.send(jsonrpc.notification(method, params))


async def tell(played: RawServer, id: RequestId, method: str, **params: Any) -> None:
    """Tell a subscription of a change."""
    params["_meta"] = {SUBSCRIPTION_ID_META_KEY: id}
    await played.send(jsonrpc.notification(method, params))


async def open_session(client: RawClient, played: RawServer) -> JSONRPCRequest:
    """Open the client's session, and give the request to listen that comes of it."""
    id = await client.request("initialize", INITIALIZE)
    listen = await played.request(LISTEN)
    await acknowledge(played, listen)
    assert isinstance(await client.answer_to(id), JSONRPCResponse)
    return listen


async def test_session_hears_of_the_lists_from_its_beginning() -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification": nobody asks."""
    async with raw_pair(server_era="modern", capabilities=OFFERED) as (client, played):
        listen = await open_session(client, played)
        # Only what the server has said that it tells of.
        assert wanted_by(listen) == {"toolsListChanged": True}
        await tell(played, listen.id, TOOLS_CHANGED)
        assert await client.notified(TOOLS_CHANGED) == [None]


async def test_nobody_listens_where_there_is_nothing_to_hear() -> None:
    """Chosen: a stream costs something."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        await client.request("tools/list")
        await played.request("tools/list")


async def test_resource_is_added_without_a_gap() -> None:
    """Chosen: one subscription for all; the new one begins before the old ends."""
    async with raw_pair(server_era="modern", capabilities=OFFERED) as (client, played):
        first = await open_session(client, played)
        id = await client.request("resources/subscribe", {"uri": "test://a"})
        second = await played.request(LISTEN)
        assert wanted_by(second) == {
            "toolsListChanged": True,
            "resourceSubscriptions": ["test://a"],
        }
        await tell(played, first.id, TOOLS_CHANGED)
        await client.notified(TOOLS_CHANGED)
        await acknowledge(played, second)
        cancelled = await played.next("notifications/cancelled")
        assert cancelled.params == {"requestId": first.id}
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result == {}
        await tell(played, second.id, UPDATED, uri="test://a")
        assert await client.notified(UPDATED) == [{"uri": "test://a"}]
        # Twice is once.
        assert await client.call("resources/subscribe", {"uri": "test://a"}) == {}
        id = await client.request("resources/unsubscribe", {"uri": "test://a"})
        third = await played.request(LISTEN)
        assert wanted_by(third) == {"toolsListChanged": True}
        await acknowledge(played, third)
        await client.answer_to(id)
        assert await client.call("resources/unsubscribe", {"uri": "test://a"}) == {}


async def test_last_resource_ends_the_subscription() -> None:
    """Chosen: a stream costs something."""
    resources: JSONObject = {"resources": {"subscribe": True}}
    async with raw_pair(server_era="modern", capabilities=resources) as (
        client,
        played,
    ):
        await client.initialize()
        id = await client.request("resources/subscribe", {"uri": "test://a"})
        listen = await played.request(LISTEN)
        await acknowledge(played, listen)
        await client.answer_to(id)
        await client.call("resources/unsubscribe", {"uri": "test://a"})
        cancelled = await played.next("notifications/cancelled")
        assert cancelled.params == {"requestId": listen.id}


async def test_resource_that_the_server_does_not_tell_of_is_refused() -> None:
    """Spec: 2025-11-25 server/resources, "Error Handling"."""
    async with raw_pair(server_era="modern", capabilities=OFFERED) as (client, played):
        await open_session(client, played)
        id = await client.request("resources/subscribe", {"uri": "test://a"})
        second = await played.request(LISTEN)
        await acknowledge(played, second, {"toolsListChanged": True})
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert (answer.error.code, answer.error.data) == (-32002, {"uri": "test://a"})
        await tell(played, second.id, TOOLS_CHANGED)
        assert await client.notified(TOOLS_CHANGED) == [None]


async def test_server_that_refuses_to_tell_leaves_what_there_is() -> None:
    """Chosen: the subscription from before goes on."""
    async with raw_pair(server_era="modern", capabilities=OFFERED) as (client, played):
        first = await open_session(client, played)
        id = await client.request("resources/subscribe", {"uri": "test://a"})
        second = await played.request(LISTEN)
        await played.send(jsonrpc.error(second.id, -32603, "too many"))
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert answer.error.message == "too many"
        await tell(played, first.id, TOOLS_CHANGED)
        assert await client.notified(TOOLS_CHANGED) == [None]


@pytest.mark.parametrize("is_silent", [True, False])
async def test_session_is_opened_also_where_no_changes_are_told(
    is_silent: bool,
) -> None:
    """Chosen: within two seconds."""
    async with raw_pair(server_era="modern", capabilities=OFFERED) as (client, played):
        began = anyio.current_time()
        id = await client.request("initialize", INITIALIZE)
        listen = await played.request(LISTEN)
        if not is_silent:
            error = jsonrpc.error(listen.id, METHOD_NOT_FOUND, "unknown")
            await played.send(error)
        assert isinstance(await client.answer_to(id), JSONRPCResponse)
        assert anyio.current_time() - began <= 2
        if is_silent:
            await played.next("notifications/cancelled")


async def test_subscription_that_is_lost_is_opened_again_and_all_may_have_changed() -> (
    None
):
    """Chosen: what the server told meanwhile, nobody repeats."""
    async with raw_pair(server_era="modern", capabilities=OFFERED) as (client, played):
        first = await open_session(client, played)
        id = await client.request("resources/subscribe", {"uri": "test://a"})
        second = await played.request(LISTEN)
        await acknowledge(played, second)
        await client.answer_to(id)
        await played.next("notifications/cancelled")
        assert first.id != second.id
        began = anyio.current_time()
        await played.reply(second, {"resultType": "complete"})
        third = await played.request(LISTEN)
        assert anyio.current_time() - began == pytest.approx(1)
        await played.send(jsonrpc.error(third.id, -32603, "not yet"))
        fourth = await played.request(LISTEN)
        assert anyio.current_time() - began == pytest.approx(3)
        assert wanted_by(fourth) == wanted_by(second)
        assert not client.notifications(TOOLS_CHANGED)
        await acknowledge(played, fourth)
        assert await client.notified(TOOLS_CHANGED) == [None]
        assert await client.notified(UPDATED) == [{"uri": "test://a"}]
