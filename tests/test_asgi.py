"""The ASGI way in: what goes where."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from mcp_django.asgi import MCPRouter, get_asgi_application
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from tests.consumers import streamable
from tests.consumers.connections import make_scope, open_stream, post, request
from tests.consumers.streamable import call_of, headers_of, initialize_of, text_of
from tests.consumers.websocket_connections import open_websocket
from tests.converted_urls import open_houses


class RestOfTheSite:
    """Notes the scopes that it is given."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the scope, and answer nothing."""
        self.scopes.append(scope)


async def receive() -> Event:
    """Give an empty body."""
    return {"type": "http.request", "body": b""}


async def refuse_to_send(event: Event) -> None:
    """Fail: nothing is to be sent."""
    raise AssertionError(event)


@pytest.mark.parametrize(
    "scope",
    [
        make_scope("GET", "/elsewhere", {}),
        make_scope("GET", "/mcp-or-not", {}),
        make_scope("GET", "/mcp/sse", {}) | {"type": "websocket"},
        {"type": "lifespan"},
    ],
    ids=["elsewhere", "beside", "websocket", "lifespan"],
)
async def test_what_is_not_for_mcp_goes_on_untouched(scope: dict[str, Any]) -> None:
    """Chosen: the router adds nothing to the rest of the site."""
    rest = RestOfTheSite()

    await MCPRouter(rest.__call__)(scope, receive, refuse_to_send)

    assert rest.scopes == [scope]
    assert rest.scopes[0] is scope


async def test_mcp_does_not_reach_the_rest_of_the_site(settings: Settings) -> None:
    """Chosen: also what is refused there."""
    settings.MCP = {"AUTHENTICATION": []}
    rest = RestOfTheSite()

    response = await request(MCPRouter(rest.__call__).__call__, "PUT", "/mcp/sse")

    assert response.status == 405
    assert rest.scopes == []


@pytest.mark.parametrize(("debug", "status"), [(True, 200), (False, 404)])
async def test_static_files_are_served_under_debug_only(
    settings: Settings, debug: bool, status: int
) -> None:
    """Chosen: so that plain Daphne shows admin pages with their styles."""
    settings.DEBUG = debug
    application = get_asgi_application().__call__

    response = await request(application, "GET", "/static/admin/css/base.css")

    assert response.status == status


async def test_static_files_need_their_app(settings: Settings) -> None:
    """Chosen: where it is not installed, nothing is served."""
    settings.DEBUG = True
    settings.MIDDLEWARE = []
    settings.INSTALLED_APPS = ["mcp_django"]
    application = get_asgi_application().__call__

    response = await request(application, "GET", "/static/admin/css/base.css")

    assert response.status == 404


@pytest.mark.parametrize("language", ["de", "fr"])
async def test_every_language_of_the_site_has_the_endpoint(
    settings: Settings, language: str
) -> None:
    """Chosen: below `i18n_patterns`, over HTTP and WebSocket, without a middleware."""
    settings.MCP = {"AUTHENTICATION": []}
    settings.ROOT_URLCONF = "tests.translated_urls"
    rest = RestOfTheSite()
    application = MCPRouter(rest.__call__).__call__

    headers = {"accept": "application/json"}
    url = f"/{language}/mcp"
    opened = await post(application, url, initialize_of(), headers=headers)
    assert "protocolVersion" in opened.json()["result"]
    async with open_websocket(application, url) as websocket:
        assert await websocket.ask("ping") == {}
    async with open_stream(application, f"{url}/sse") as stream:
        assert stream.endpoint.startswith(f"{url}/messages?session_id=")
        assert await stream.ask("ping") == {}
    assert rest.scopes == []


async def test_endpoint_below_a_converter_of_the_project_is_found(
    settings: Settings,
) -> None:
    """Chosen: what such a converter says is not kept from the last request."""
    settings.MCP = {"AUTHENTICATION": []}
    settings.ROOT_URLCONF = "tests.converted_urls"
    rest = RestOfTheSite()
    application = MCPRouter(rest.__call__).__call__
    open_houses.add("tea")
    try:
        response = await request(application, "PUT", "/tea/mcp")
    finally:
        open_houses.clear()
    assert response.status == 405

    await application(make_scope("PUT", "/tea/mcp", {}), receive, refuse_to_send)
    assert len(rest.scopes) == 1


@pytest.mark.parametrize("is_forced", [False, True], ids=["root path", "setting"])
async def test_handlers_make_urls_below_the_script_name(
    is_forced: bool, settings: Settings
) -> None:
    """Chosen: as views do, in the event loop and in threads."""
    settings.ROOT_URLCONF = "tests.below_urls"
    settings.MCP = {"AUTHENTICATION": []}
    below: dict[str, Any] = {"url": "/app/mcp", "root_path": "/app"}
    if is_forced:
        settings.FORCE_SCRIPT_NAME = "/app"
        below["root_path"] = ""
    router = MCPRouter(RestOfTheSite().__call__).__call__

    for tool in ("find", "find_async"):
        call = call_of(tool)
        answer = await streamable.post(
            router, streamable.modern(call), headers=headers_of(call), **below
        )
        assert text_of(answer.json()) == "/app/mcp/"
    async with open_websocket(
        router, "/app/mcp", root_path=below["root_path"]
    ) as websocket:
        result = await websocket.ask("tools/call", {"name": "find_async"})
    assert result["content"] == [{"type": "text", "text": "/app/mcp/"}]
