"""Refusals with a challenge: of all that a client asks, and of one request."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from pytest_django import Settings

from mcp_django import AuthenticationFailed, Server
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.consumers.applications import Application
from tests.consumers.connections import open_stream, request, site_of
from tests.consumers.streamable import (
    JSON_ONLY,
    STREAM_ONLY,
    call_of,
    messages_of,
    open_session,
    post_modern,
)
from tests.consumers.websocket_connections import open_websocket, refusal

server = Server("library")
site: Application = site_of(server)

METADATA = "http://testserver/.well-known/oauth-protected-resource/mcp"
READER = {"x-scopes": "books:read"}
DATA = {"error": "insufficient_scope", "scope": "books:read books:lend"}
ERROR = {"code": -32600, "message": "lending needs more", "data": DATA}
CHALLENGE = (
    f'Bearer resource_metadata="{METADATA}", error="insufficient_scope", '
    'error_description="lending needs more", scope="books:read books:lend"'
)


class Scoped(Authenticator):
    """Vouches for the program that says which scopes it has."""

    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        return bearer_challenge(failure, resource_metadata=METADATA)

    def authenticate(self, request: HttpRequest) -> Identity | None:
        scopes = request.headers.get("X-Scopes")
        if scopes == "none":
            raise AuthenticationFailed(
                "a token without a scope",
                error="insufficient_scope",
                description="a scope is needed",
                parameters={"scope": "books:read"},
            )
        return None if scopes is None else Identity(AnonymousUser(), self, scopes)

    def is_still_valid(self, identity: Identity) -> bool:
        return True


class Plain(Scoped):
    """Has a text for a challenge."""

    challenge = 'Bearer realm="library"'  # type: ignore[assignment]


class Silent(Scoped):
    """Has no challenge."""

    challenge = ""  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def scoped(settings: Settings) -> None:
    """Let in what says its scopes."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Scoped"]}


@server.tool
async def lend() -> None:
    """Need a scope that no reader has."""
    raise AuthenticationFailed(
        "a reader wants to lend",
        error="insufficient_scope",
        description="lending needs more",
        parameters={"scope": "books:read books:lend"},
    )


@server.tool
async def renew() -> None:
    """Find that a credential has ended meanwhile."""
    raise AuthenticationFailed("a token of yesterday")


# All that a client asks --------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
        ("GET", "/mcp/sse"),
        ("POST", "/mcp/messages?session_id=x"),
    ],
)
async def test_gate_refuses_with_403_and_what_would_do(method: str, url: str) -> None:
    """Spec: RFC 6750, 3.1; 2025-11-25 basic/authorization, "Runtime Insufficient
    Scope Errors"."""
    response = await request(site, method, url, headers={"x-scopes": "none"})

    assert response.error() == (403, -32600, "a scope is needed")
    assert response.header("www-authenticate") == (
        f'Bearer resource_metadata="{METADATA}", error="insufficient_scope", '
        'error_description="a scope is needed", scope="books:read"'
    )


async def test_handshake_is_refused_with_403_and_what_would_do() -> None:
    """Chosen: a handshake that is refused is an HTTP request."""
    response = await refusal(site, headers={"x-scopes": "none"})

    assert response.error() == (403, -32600, "a scope is needed")
    assert (response.header("www-authenticate") or "").endswith(', scope="books:read"')


async def test_request_without_credentials_is_told_where_to_ask() -> None:
    """Spec: RFC 9728, 5.1."""
    response = await request(site, "POST", "/mcp")

    assert response.error() == (401, -32600, "Authentication required")
    assert response.header("www-authenticate") == (
        f'Bearer resource_metadata="{METADATA}"'
    )


# One request -------------------------------------------------------------------


def call_modern(tool: str, **headers: str) -> Any:
    """Call a tool in version 2026-07-28."""
    return post_modern(call_of(tool), application=site, headers=READER | headers)


async def test_call_is_refused_with_403_and_what_would_do() -> None:
    """Spec: 2025-11-25 basic/authorization, "Runtime Insufficient Scope Errors"."""
    response = await call_modern("lend")

    assert response.status == 403
    assert response.header("www-authenticate") == CHALLENGE
    assert response.json() == {"jsonrpc": "2.0", "id": 1, "error": ERROR}


async def test_call_in_a_session_is_refused_alike() -> None:
    """Spec: as above."""
    session = await open_session(application=site, headers=READER)
    response = await session.post(call_of("lend"))

    assert response.status == 403
    assert response.header("www-authenticate") == CHALLENGE
    assert response.json()["error"] == ERROR


async def test_call_may_be_refused_with_401() -> None:
    """Chosen: the credentials ended while the call ran."""
    response = await call_modern("renew")

    assert response.status == 401
    assert response.header("www-authenticate") == (
        f'Bearer resource_metadata="{METADATA}", error="invalid_token", '
        'error_description="the credentials are wrong, expired or revoked"'
    )
    assert response.json()["error"]["data"] == {"error": "invalid_token"}


@pytest.mark.parametrize(
    ("kind", "challenge"),
    [
        (
            Plain,
            'Bearer realm="library", error="insufficient_scope", error_description="'
            'lending needs more", scope="books:read books:lend"',
        ),
        (Silent, "Session"),
    ],
)
async def test_authenticator_with_a_text_for_a_challenge_needs_no_more(
    settings: Settings, kind: type[Scoped], challenge: str
) -> None:
    """Chosen: as at the gate."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.{kind.__name__}"]}
    response = await call_modern("lend")

    assert (response.status, response.header("www-authenticate")) == (403, challenge)


async def test_call_without_authentication_is_refused_alike(
    settings: Settings,
) -> None:
    """Chosen: a handler may know of credentials that no authenticator does."""
    settings.MCP = {"AUTHENTICATION": []}

    assert (await call_modern("lend")).status == 403


# Where there is no status ------------------------------------------------------


async def test_client_that_reads_events_only_gets_an_error() -> None:
    """Chosen: its answer is an event."""
    response = await call_modern("lend", accept=STREAM_ONLY)

    assert messages_of(response) == [{"jsonrpc": "2.0", "id": 1, "error": ERROR}]


async def test_each_message_of_a_batch_is_refused_by_itself() -> None:
    """Chosen: the others are answered."""
    session = await open_session("2025-03-26", application=site, headers=READER)
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    response = await session.post([call_of("lend"), ping], accept=JSON_ONLY)

    assert response.status == 200
    assert response.header("www-authenticate") is None
    answers = {answer["id"]: answer for answer in response.json()}
    assert answers[1]["error"] == ERROR
    assert answers[2]["result"] == {}


async def test_stream_gets_an_error() -> None:
    """Chosen: its POST was taken before."""
    async with open_stream(site, headers=READER) as stream:
        assert await stream.call("lend") == ERROR


async def test_websocket_gets_an_error() -> None:
    """Chosen: it has been accepted before."""
    async with open_websocket(site, headers=READER) as socket:
        await socket.initialize()
        assert await socket.call("lend") == ERROR
