"""The ASGI way in: what goes where."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from mcp_django.asgi import MCPRouter, get_asgi_application
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from tests.consumers.connections import make_scope, request


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
