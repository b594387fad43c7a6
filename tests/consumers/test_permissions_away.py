"""Permissions that do not answer, as clients over HTTP hear of it."""

from __future__ import annotations

import anyio
import pytest
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.consumers.applications import Application
from mcp_django.protocol.jsonrpc import JSONObject
from tests.consumers.connections import open_stream, site_of
from tests.consumers.streamable import call_of, open_session, post_modern

ERROR: JSONObject = {
    "code": -32603,
    "message": "a permission of the site does not answer; try again in 5 seconds",
}


@pytest.fixture
def shop(settings: Settings) -> Application:
    settings.MCP = {"AUTHENTICATION": [], "PERMISSION_TIMEOUT": 0.1}
    server = Server("shop")

    async def hang(context: Context) -> bool:
        await anyio.sleep_forever()
        return True

    server.tool(name="sell", permission=hang)(lambda: "sold")
    server.resource("shop://books", permission=hang)(lambda: "books")
    return site_of(server)


async def test_call_is_503_in_both_eras_over_streamable_http(shop: Application) -> None:
    """We promise it: with Retry-After, so that programs know when to come again."""
    session = await open_session(application=shop)
    for response in (
        await post_modern(call_of("sell"), application=shop),
        await session.post(call_of("sell")),
    ):
        assert (response.status, response.json()["error"]) == (503, ERROR)
        assert response.header("retry-after") == "5"


async def test_listening_is_503(shop: Application) -> None:
    """We promise it: nobody is told that there is nothing to hear."""
    params: JSONObject = {"notifications": {"resourceSubscriptions": ["shop://books"]}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen"}
    response = await post_modern(message | {"params": params}, application=shop)

    assert response.status == 503
    assert response.json()["error"] == ERROR
    assert response.header("retry-after") == "5"


async def test_call_over_an_event_stream_is_an_error(shop: Application) -> None:
    """We promise it: the stream goes on."""
    async with open_stream(shop) as stream:
        assert await stream.call("sell") == ERROR
        assert await stream.ask("resources/subscribe", {"uri": "shop://books"}) == ERROR
        await stream.assert_alive()
