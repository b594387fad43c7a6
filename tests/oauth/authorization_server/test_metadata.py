"""Where programs find what the authorization server has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, override_settings

from mcp_django.oauth.preset import oauth2_provider

WELL_KNOWN = "/.well-known/oauth-authorization-server"
SITE = "http://testserver"


def get(path: str, **extra: Any) -> Any:
    """Ask for a document."""
    return Client().get(path, **extra)


@pytest.mark.parametrize("path", [WELL_KNOWN, f"{WELL_KNOWN}/"])
def test_the_document_is_at_the_root(path: str) -> None:
    """Spec: RFC 8414, section 2; RFC 9207, section 3."""
    response = get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert json.loads(response.content) == {
        "issuer": SITE,
        "authorization_endpoint": f"{SITE}/oauth/authorize",
        "token_endpoint": f"{SITE}/oauth/token",
        "revocation_endpoint": f"{SITE}/oauth/revoke",
        "registration_endpoint": f"{SITE}/oauth/register",
        "scopes_supported": ["mcp:read", "mcp:write"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "revocation_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
    }


@pytest.mark.parametrize(
    "path",
    [
        f"{WELL_KNOWN}/mcp",
        f"{WELL_KNOWN}/other",
        f"/mcp{WELL_KNOWN}",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
    ],
)
def test_elsewhere_is_a_clean_404(path: str) -> None:
    """Clients read the body as JSON, and must not take another issuer's document."""
    response = get(path)
    assert response.status_code == 404
    if "other" not in path:
        assert json.loads(response.content)["error"] == "not_found"


@override_settings(
    OAUTH2_PROVIDER=oauth2_provider(
        DCR_ENABLED=False,
        CIMD_ENABLED=False,
        OAUTH2_GRANT_TYPES_SUPPORTED=["authorization_code", "implicit", "password"],
    )
)
def test_what_there_is_not_is_not_claimed() -> None:
    document = json.loads(get(WELL_KNOWN).content)
    assert "registration_endpoint" not in document
    assert document["client_id_metadata_document_supported"] is False
    assert document["grant_types_supported"] == ["authorization_code"]


@override_settings(MCP={"PUBLIC_URL": "https://shop.example/"})
def test_the_public_name_of_the_site_is_said() -> None:
    document = json.loads(get(WELL_KNOWN).content)
    assert document["issuer"] == "https://shop.example"
    assert document["token_endpoint"] == "https://shop.example/oauth/token"


@override_settings(FORCE_SCRIPT_NAME="/app")
def test_a_site_below_a_path_says_so() -> None:
    document = json.loads(get(WELL_KNOWN).content)
    assert document["issuer"] == f"{SITE}/app"
    assert document["token_endpoint"] == f"{SITE}/app/oauth/token"


@override_settings(ALLOWED_HOSTS=["*"])
def test_a_host_that_is_not_the_sites_is_told_nothing() -> None:
    response = get(WELL_KNOWN, headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert b"evil" not in response.content
