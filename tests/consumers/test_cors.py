"""CORS at the endpoints: what a browser learns before and after it asks."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.consumers.connections import Response, post, request, site

APP = "https://app.example"
METHODS = {"DELETE", "GET", "OPTIONS", "POST"}
REQUEST_HEADERS = {
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
}


@pytest.fixture(autouse=True)
def allow_app(settings: Settings) -> None:
    """Allow one web page, on MCP paths only, and let everybody in."""
    settings.MCP = {"AUTHENTICATION": [], "ALLOWED_ORIGINS": [APP]}


async def preflight(origin: str, url: str = "/mcp/sse", asked: str = "") -> Response:
    """Ask as a browser does before it sends a request of a page."""
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": asked,
    }
    return await request(site, "OPTIONS", url, headers=headers)


def listed(response: Response, name: str) -> set[str]:
    """Give the members of a comma-separated header."""
    return set((response.header(name) or "").split(", "))


@pytest.mark.parametrize("url", ["/mcp/sse", "/mcp/messages"])
async def test_preflight_of_an_allowed_origin_is_answered(url: str) -> None:
    """Spec: Fetch, "CORS-preflight request"; there are no credentials yet."""
    response = await preflight(APP, url)

    assert (response.status, response.body) == (200, b"")
    assert response.header("access-control-allow-origin") == APP
    assert listed(response, "access-control-allow-methods") == METHODS
    assert listed(response, "access-control-allow-headers") >= REQUEST_HEADERS
    assert response.header("vary") == "origin"
    assert response.header("access-control-allow-credentials") is None


async def test_preflight_of_a_foreign_origin_is_refused() -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning"."""
    response = await preflight("https://evil.example")

    assert response.error() == (403, -32600, "Origin not allowed")
    assert not [name for name, _ in response.headers if name.startswith("access-")]


async def test_preflight_allows_headers_of_tool_parameters_that_are_asked_for() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Custom Headers"."""
    asked = "Mcp-Param-Region, content-type, x-other, mcp-param-tenant,mcp-paramx"

    allowed = listed(await preflight(APP, asked=asked), "access-control-allow-headers")

    assert {"mcp-param-region", "mcp-param-tenant"} <= allowed
    assert not {"x-other", "mcp-paramx"} & allowed


async def test_preflight_echoes_no_header_that_is_no_name() -> None:
    """Chosen: what a page asks for must not end up in a header as it is."""
    response = await preflight(APP, asked="mcp-param-a b, mcp-param-\xe9, mcp-param-x")

    allowed = listed(response, "access-control-allow-headers")
    assert {h for h in allowed if h.startswith("mcp-param-")} == {"mcp-param-x"}


async def test_headers_that_the_project_allows_are_allowed_here_too(
    settings: Settings,
) -> None:
    """Chosen: django-cors-headers' settings count."""
    settings.CORS_ALLOW_HEADERS = ["x-tenant"]
    settings.CORS_EXPOSE_HEADERS = ["x-trace"]
    settings.CORS_PREFLIGHT_MAX_AGE = 60

    response = await preflight(APP)

    assert listed(response, "access-control-allow-headers") == REQUEST_HEADERS | {
        "x-tenant"
    }
    assert listed(response, "access-control-expose-headers") == {
        "x-trace",
        "mcp-session-id",
        "www-authenticate",
    }
    assert response.header("access-control-max-age") == "60"


async def test_answers_to_an_allowed_origin_can_be_read() -> None:
    """Spec: Fetch, "CORS protocol"."""
    response = await request(site, "GET", "/mcp/sse", headers={"origin": APP})

    assert response.status == 200
    assert response.header("access-control-allow-origin") == APP
    assert listed(response, "access-control-expose-headers") == {
        "mcp-session-id",
        "www-authenticate",
    }
    assert response.header("access-control-allow-methods") is None
    assert response.header("vary") == "origin"


async def test_refusals_to_an_allowed_origin_can_be_read_too(
    settings: Settings,
) -> None:
    """Chosen: a page has to see that it needs credentials, and which."""
    settings.MCP = {"ALLOWED_ORIGINS": [APP]}

    response = await post(site, "/mcp/messages", {}, headers={"origin": APP})

    assert response.status == 401
    assert response.header("access-control-allow-origin") == APP


async def test_requests_without_origin_get_no_cors_headers() -> None:
    """Spec: Fetch, "CORS protocol"; programs need none."""
    response = await request(site, "GET", "/mcp/sse")

    assert not [name for name, _ in response.headers if name.startswith("access-")]


async def test_credentials_are_allowed_where_the_project_allows_them(
    settings: Settings,
) -> None:
    """Chosen: django-cors-headers' settings count."""
    settings.CORS_ALLOW_CREDENTIALS = True

    response = await preflight(APP)

    assert response.header("access-control-allow-origin") == APP
    assert response.header("access-control-allow-credentials") == "true"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_allowing_all_origins_does_not_open_mcp(
    settings: Settings, method: str
) -> None:
    """Chosen: what suits a public API must not open the users' own accounts."""
    settings.CORS_ALLOW_ALL_ORIGINS = True
    headers = {"origin": "https://evil.example", "access-control-request-method": "GET"}

    response = await request(site, method, "/mcp/sse", headers=headers)

    assert response.status == 403
    assert response.header("access-control-allow-origin") is None


async def test_allowed_origin_is_named_where_all_are_allowed(
    settings: Settings,
) -> None:
    """Chosen: "*" would say that others may come, too."""
    settings.CORS_ALLOW_ALL_ORIGINS = True

    assert (await preflight(APP)).header("access-control-allow-origin") == APP


async def test_mcp_needs_no_match_of_the_cors_urls_setting(settings: Settings) -> None:
    """Chosen: CORS_URLS_REGEX is about the rest of the site."""
    settings.CORS_URLS_REGEX = r"^/api/.*$"

    assert (await preflight(APP)).header("access-control-allow-origin") == APP
