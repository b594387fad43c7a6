"""The two middleware classes, on the Django way in and beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncRequestFactory, RequestFactory
from pytest_django import Settings

from mcp_django.middleware import CorsMiddleware, OriginMiddleware

FOREIGN = {"origin": "https://evil.example"}
APP = {"origin": "https://app.example"}
PREFLIGHT = {"access-control-request-method": "POST"}


def respond(request: HttpRequest) -> HttpResponseBase:
    """Stand for the rest of the site."""
    return HttpResponse("the rest of the site")


async def respond_async(request: HttpRequest) -> HttpResponseBase:
    """Stand for the rest of an async site."""
    return HttpResponse("the rest of the site")


async def run(
    middleware: Any, method: str, path: str, headers: dict[str, str]
) -> HttpResponseBase:
    """Send a request through middleware in sync and in async mode, with one result."""
    sync = middleware(respond)(RequestFactory().generic(method, path, headers=headers))
    response: HttpResponseBase = await middleware(respond_async)(
        AsyncRequestFactory().generic(method, path, headers=headers)
    )
    assert isinstance(sync, HttpResponse)
    assert isinstance(response, HttpResponse)
    assert (sync.status_code, sync.content) == (response.status_code, response.content)
    assert dict(sync.headers) == dict(response.headers)
    return response


def body_of(response: HttpResponseBase) -> bytes:
    """Give the body of a response that is no stream."""
    assert isinstance(response, HttpResponse)
    return response.content


# Origin -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/mcp/sse", "/mcp/messages", "/under/a/x/tools/sse"])
async def test_foreign_origin_is_refused_on_mcp_paths(path: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning"."""
    response = await run(OriginMiddleware, "POST", path, FOREIGN)

    assert response.status_code == 403
    assert response["content-type"] == "application/json"
    assert json.loads(body_of(response)) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32600, "message": "Origin not allowed"},
    }


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/mcp/sse", {}),
        ("/mcp/sse", {"origin": "http://testserver"}),
        ("/mcp/sse", APP),
        ("/elsewhere", FOREIGN),
        ("/mcp/sse/", FOREIGN),
    ],
)
async def test_other_requests_are_passed_on(
    settings: Settings, path: str, headers: dict[str, str]
) -> None:
    """Chosen: the rest of the site is none of our business."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}

    response = await run(OriginMiddleware, "GET", path, headers)

    assert (response.status_code, body_of(response)) == (200, b"the rest of the site")


# CORS ---------------------------------------------------------------------------


async def test_cors_knows_mcp_paths(settings: Settings) -> None:
    """Spec: Fetch, "CORS protocol"."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}

    preflight = await run(CorsMiddleware, "OPTIONS", "/mcp/sse", APP | PREFLIGHT)
    response = await run(CorsMiddleware, "GET", "/mcp/sse", APP)

    assert (preflight.status_code, body_of(preflight)) == (200, b"")
    assert preflight["access-control-allow-origin"] == "https://app.example"
    assert "DELETE" in preflight["access-control-allow-methods"]
    assert response["access-control-allow-origin"] == "https://app.example"
    assert "mcp-session-id" in response["access-control-expose-headers"]


async def test_cors_on_the_rest_of_the_site_is_that_of_django_cors_headers(
    settings: Settings,
) -> None:
    """Chosen: only MCP paths are different."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}
    settings.CORS_ALLOWED_ORIGINS = ["https://other.example"]
    other = {"origin": "https://other.example"}

    allowed = await run(CorsMiddleware, "GET", "/elsewhere", other)
    app = await run(CorsMiddleware, "GET", "/elsewhere", APP)
    preflight = await run(CorsMiddleware, "OPTIONS", "/elsewhere", other | PREFLIGHT)

    assert allowed["access-control-allow-origin"] == "https://other.example"
    assert "access-control-expose-headers" not in allowed.headers
    assert "access-control-allow-origin" not in app.headers
    assert "mcp-session-id" not in preflight["access-control-allow-headers"]


async def test_allowing_all_origins_opens_the_site_and_not_mcp(
    settings: Settings,
) -> None:
    """Chosen: what suits a public API must not open the users' own accounts."""
    settings.CORS_ALLOW_ALL_ORIGINS = True

    elsewhere = await run(CorsMiddleware, "GET", "/elsewhere", FOREIGN)
    mcp = await run(CorsMiddleware, "GET", "/mcp/sse", FOREIGN)
    preflight = await run(CorsMiddleware, "OPTIONS", "/mcp/sse", FOREIGN | PREFLIGHT)

    assert elsewhere["access-control-allow-origin"] == "*"
    for response in (mcp, preflight):
        assert not [h for h in response.headers if h.lower().startswith("access-")]


async def test_urls_without_cors_get_none(settings: Settings) -> None:
    """Chosen: CORS_URLS_REGEX counts on the rest of the site."""
    settings.CORS_ALLOW_ALL_ORIGINS = True
    settings.CORS_URLS_REGEX = r"^/api/"

    response = await run(CorsMiddleware, "GET", "/elsewhere", FOREIGN)

    assert "access-control-allow-origin" not in response.headers
