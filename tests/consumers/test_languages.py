"""The language of what is answered over HTTP: that of each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.utils import translation
from pytest_django import Settings

from mcp_django.asgi import MCPRouter
from mcp_django.consumers.applications import Application, application_of
from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.server.endpoints import Endpoint
from tests import bakery
from tests.consumers.connections import open_stream, site_of
from tests.consumers.connections import post as post_to
from tests.consumers.streamable import (
    initialize_of,
    open_session,
    post,
    post_modern,
)
from tests.consumers.websocket_connections import open_websocket

pytestmark = pytest.mark.usefixtures("german", "without_authentication")

over_http = site_of(bakery.server)
GERMAN = {"accept-language": "de"}


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for the bakery, also over a WebSocket."""
    if scope["type"] == "websocket":
        endpoint = Endpoint(bakery.server, "mcp")
        await application_of(endpoint, "websocket")(scope, receive, send)
    else:
        await over_http(scope, receive, send)


async def ask_streamable(method: str, headers: dict[str, str]) -> Any:
    """Ask by Streamable HTTP, in the session of a client that speaks English."""
    session = await open_session(application=site, headers={"accept-language": "en"})
    preferred = headers["accept-language"]
    return await session.ask(method, accept_language=preferred)


async def ask_sse(method: str, headers: dict[str, str]) -> Any:
    """Ask by HTTP+SSE, on a stream that was opened in English."""
    async with open_stream(site, headers={"accept-language": "en"}) as stream:
        return await stream.ask(method, headers=headers)


async def ask_websocket(method: str, headers: dict[str, str]) -> Any:
    """Ask over a WebSocket, whose language is that of its handshake."""
    async with open_websocket(site, headers=headers) as websocket:
        return await websocket.ask(method)


async def ask_modern(method: str, headers: dict[str, str]) -> Any:
    """Ask by Streamable HTTP without a session."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method}
    response = await post_modern(message, application=site, headers=headers)
    return response.json()["result"]


@pytest.mark.parametrize("ask", [ask_streamable, ask_sse, ask_websocket, ask_modern])
@pytest.mark.parametrize(("language", "title"), [("de", "Backen"), ("en", "Bake")])
async def test_each_request_has_the_language_that_its_own_headers_prefer(
    ask: Callable[..., Any], language: str, title: str
) -> None:
    """Our choice: as `LocaleMiddleware` reads Accept-Language."""
    with translation.override("fr"):
        result = await ask("tools/list", {"accept-language": language})
        assert result["tools"][0]["title"] == title
        assert translation.get_language() == "fr"


async def initialize_streamable(headers: dict[str, str]) -> Any:
    """Open a session over Streamable HTTP."""
    response = await post(site, initialize_of(), headers=headers)
    return response.json()["result"]


async def initialize_sse(headers: dict[str, str]) -> Any:
    """Open a session over HTTP+SSE, on a stream that was opened in English."""
    english = {"accept-language": "en"}
    async with open_stream(site, headers=english, is_initialized=False) as stream:
        return await stream.ask(
            "initialize", initialize_of()["params"], headers=headers
        )


async def initialize_websocket(headers: dict[str, str]) -> Any:
    """Open a session over a WebSocket."""
    async with open_websocket(site, headers=headers, is_initialized=False) as websocket:
        return await websocket.ask("initialize", initialize_of()["params"])


async def discover(headers: dict[str, str]) -> Any:
    """Find out what the server is, without a session."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}
    response = await post_modern(message, application=site, headers=headers)
    result = response.json()["result"]
    info = result["_meta"]["io.modelcontextprotocol/serverInfo"]
    return {**result, "serverInfo": info}


@pytest.mark.parametrize(
    "describe", [initialize_streamable, initialize_sse, initialize_websocket, discover]
)
async def test_server_is_described_in_the_language_of_the_client(
    describe: Callable[..., Any],
) -> None:
    """Spec: 2025-11-25 basic/lifecycle; 2026-07-28 server/discover."""
    result = await describe(GERMAN)
    assert result["instructions"] == "Frag zuerst nach Brot."
    assert result["serverInfo"]["title"] == "Die Bäckerei"
    assert result["serverInfo"]["description"] == "Brot und Brötchen."
    result = await describe({"accept-language": "en"})
    assert result["instructions"] == "Ask for bread first."


async def test_initialize_that_is_malformed_is_refused_as_ever() -> None:
    """Spec: JSON-RPC 2.0, section 5.1: -32602."""
    async with open_stream(site, is_initialized=False) as stream:
        answer = await stream.ask("initialize", {"protocolVersion": 7})
        assert answer["code"] == -32602


# By the URL -------------------------------------------------------------------------

MODERN_LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
router: Application = MCPRouter(ASGIHandler()).__call__


async def title_at(
    application: Application, url: str, headers: dict[str, str] | None = None
) -> str:
    """Give the title of the first tool that is listed at a URL."""
    headers = {"accept": "application/json", **(headers or {})}
    opened = await post_to(application, url, initialize_of(), headers=headers)
    id = opened.header("mcp-session-id")
    assert id is not None
    headers["mcp-session-id"] = id
    listed = await post_to(application, url, MODERN_LIST, headers=headers)
    title: str = listed.json()["result"]["tools"][0]["title"]
    return title


@pytest.mark.parametrize(
    ("url", "headers", "title"),
    [
        ("/de/mcp", {}, "Backen"),
        ("/de/mcp", {"accept-language": "en"}, "Backen"),
        ("/en/mcp", {"accept-language": "de"}, "Bake"),
        ("/mcp", {"accept-language": "de"}, "Backen"),
        ("/mcp", {}, "Bake"),
    ],
)
@pytest.mark.parametrize("passes_middleware", [False, True])
async def test_language_that_the_url_names_goes_before_what_the_client_prefers(
    settings: Settings,
    passes_middleware: bool,
    url: str,
    headers: dict[str, str],
    title: str,
) -> None:
    """Our choice: as `LocaleMiddleware` has it."""
    settings.ROOT_URLCONF = "tests.bakery_urls"
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware"]
    django: Application = ASGIHandler()
    application = django if passes_middleware else router
    assert await title_at(application, url, headers) == title


async def test_language_of_the_url_counts_on_connections_that_stay_open(
    settings: Settings,
) -> None:
    """Our choice: as above."""
    settings.ROOT_URLCONF = "tests.bakery_urls"
    async with open_stream(router, "/de/mcp/sse") as stream:
        listed = await stream.ask("tools/list")
        assert listed["tools"][0]["title"] == "Backen"
    async with open_websocket(router, "/de/mcp") as websocket:
        listed = await websocket.ask("tools/list")
        assert listed["tools"][0]["title"] == "Backen"
