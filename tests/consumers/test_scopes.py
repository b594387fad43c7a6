"""Scopes over Streamable HTTP: what is asked for is refused with a challenge."""

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
from mcp_django.protocol.jsonrpc import JSONObject
from tests.consumers.connections import site_of
from tests.consumers.streamable import post_modern

server = Server("library", scopes={"library:lend": "Borrow and return books"})
site: Application = site_of(server)


class Scoped(Authenticator):
    """Vouches for the program that says which scopes it has."""

    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        return bearer_challenge(failure, realm="library")

    def authenticate(self, request: HttpRequest) -> Identity | None:
        scopes = frozenset(request.headers.get("X-Scopes", "").split())
        return Identity(AnonymousUser(), self, scopes=scopes)

    def is_still_valid(self, identity: Identity) -> bool:
        return True


@pytest.fixture(autouse=True)
def scoped(settings: Settings) -> None:
    """Let in what says its scopes."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Scoped"]}


@server.resource("library://stats")
def stats() -> str:
    return "42"


@server.resource("library://loans/{reader}", scope="library:lend")
def loans(reader: str) -> str:
    return reader


def listen_to(*uris: str) -> JSONObject:
    """Make a request to listen."""
    params: Any = {"notifications": {"resourceSubscriptions": list(uris)}}
    return {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "subscriptions/listen",
        "params": params,
    }


async def test_listening_is_refused_with_403_and_what_would_do() -> None:
    """Spec: 2026-07-28 basic/authorization, "Runtime Insufficient Scope Errors"."""
    response = await post_modern(
        listen_to("library://stats", "library://loans/ada"),
        application=site,
        headers={"x-scopes": "mcp:read"},
    )

    assert response.status == 403
    assert response.header("www-authenticate") == (
        'Bearer realm="library", error="insufficient_scope", error_description="this '
        'needs the scope library:lend, which the token does not have", '
        'scope="library:lend mcp:read"'
    )
    assert response.json() == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {
            "code": -32600,
            "message": "this needs the scope library:lend, which the token does not "
            "have",
            "data": {
                "error": "insufficient_scope",
                "scope": "library:lend mcp:read",
            },
        },
    }
