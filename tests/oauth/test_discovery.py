"""Clients that know nothing but a URL find out where to log in, and what they lack."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from mcp.client.auth import utils as sdk
from mcp.shared.auth import ProtectedResourceMetadata
from pytest_django import Settings

from mcp_django import Server
from mcp_django.asgi import get_asgi_application
from mcp_django.auth.challenge_syntax import parse
from tests.consumers.connections import open_stream
from tests.consumers.streamable import (
    JSON_ONLY,
    call_of,
    open_session,
    post_modern,
)
from tests.consumers.websocket_connections import open_websocket, refusal
from tests.oauth.oauth_sites import ISSUER, NAMED, TOKENS
from tests.oauth.urlconfs import root_urlconf

SITE = "https://site.example"
INCLUDED = path("", include("mcp_django.oauth.urls"))
READER = {"authorization": "Bearer named-ada"}

server = Server("shop")


@server.tool(read_only=True)
async def look() -> str:
    """Look."""
    return "seen"


@server.tool
async def change() -> str:
    """Change."""
    return "changed"


@pytest.fixture(autouse=True)
def oauth(settings: Settings) -> Any:
    """Have a site at which an issuer's tokens count."""
    settings.MCP = {"AUTHENTICATION": [NAMED, TOKENS]}
    settings.ALLOWED_HOSTS = ["site.example", "testserver"]
    with root_urlconf(INCLUDED, *server.urls("mcp"), *server.urls("")):
        yield


async def metadata_by_the_official_client(
    url: str, *, is_challenged: bool
) -> ProtectedResourceMetadata | None:
    """Find metadata as the official Python client does, after a 401 or without one."""
    site: Any = get_asgi_application().__call__
    transport = httpx2.ASGITransport(app=site)
    async with httpx2.AsyncClient(transport=transport) as http:
        refused = await http.post(url, json={})
        named = sdk.extract_resource_metadata_from_www_auth(refused)
        assert refused.status_code == 401 and named
        assert sdk.extract_scope_from_www_auth(refused) == "mcp:read mcp:write"
        places = sdk.build_protected_resource_metadata_discovery_urls(
            named if is_challenged else None, url
        )
        for place in places:
            found = await sdk.handle_protected_resource_response(await http.get(place))
            if found is not None:
                return found
    return None


@pytest.mark.parametrize("is_challenged", [True, False])
@pytest.mark.parametrize(
    ("url", "resource"),
    [
        (f"{SITE}/mcp", f"{SITE}/mcp"),
        (f"{SITE}/mcp/", f"{SITE}/mcp/"),
        (f"{SITE}/", f"{SITE}/"),
        (SITE, f"{SITE}/"),
    ],
)
async def test_official_client_finds_the_issuer(
    url: str, resource: str, is_challenged: bool
) -> None:
    """Spec: 2025-11-25 basic/authorization, "Authorization Server Discovery"."""
    found = await metadata_by_the_official_client(url, is_challenged=is_challenged)

    assert found is not None
    assert str(found.resource) == resource
    assert [str(issuer).rstrip("/") for issuer in found.authorization_servers] == [
        ISSUER
    ]
    assert found.scopes_supported == ["mcp:read", "mcp:write"]


# Too little -------------------------------------------------------------------------


def assert_told_what_would_do(challenge: str | None) -> None:
    """Fail unless a challenge says what to ask for, and where."""
    [found] = parse(challenge or "")
    said = dict(found.parameters)
    assert said["error"] == '"insufficient_scope"'
    assert said["scope"] == '"mcp:read mcp:write"'
    metadata = "http://testserver/.well-known/oauth-protected-resource/mcp"
    assert said["resource_metadata"] == f'"{metadata}"'


async def test_call_that_needs_more_says_what_and_where(ada: User) -> None:
    """Spec: 2025-11-25 basic/authorization, "Runtime Insufficient Scope Errors"."""
    site = get_asgi_application().__call__
    good = await post_modern(call_of("look"), application=site, headers=READER)
    assert good.status == 200

    modern = await post_modern(call_of("change"), application=site, headers=READER)
    session = await open_session(application=site, headers=READER)
    legacy = await session.post(call_of("change"))

    for response in (modern, legacy):
        assert response.status == 403
        assert_told_what_would_do(response.header("www-authenticate"))


async def test_call_that_needs_more_is_an_error_elsewhere(ada: User) -> None:
    """Chosen: the same words where no status can say so."""
    site = get_asgi_application().__call__
    data = {"error": "insufficient_scope", "scope": "mcp:read mcp:write"}

    async with open_stream(site, headers=READER) as stream:
        assert (await stream.call("change"))["data"] == data
    async with open_websocket(site, headers=READER) as socket:
        await socket.initialize()
        assert (await socket.call("change"))["data"] == data
    session = await open_session("2025-03-26", application=site, headers=READER)
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    batch = await session.post([call_of("change"), ping], accept=JSON_ONLY)
    answers = {answer["id"]: answer for answer in batch.json()}
    assert answers[1]["error"]["data"] == data
    assert answers[2]["result"] == {}


async def test_handshake_says_where_to_log_in() -> None:
    """Spec: RFC 9728, 5.1. Chosen: by https, though a WebSocket was asked for."""
    site = get_asgi_application().__call__
    response = await refusal(site, scheme="wss")

    [challenge] = parse(response.header("www-authenticate") or "")
    metadata = "://testserver/.well-known/oauth-protected-resource/mcp"
    assert dict(challenge.parameters)["resource_metadata"] == f'"https{metadata}"'
