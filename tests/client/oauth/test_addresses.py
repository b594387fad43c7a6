"""Which URLs are the same, where documents are, and which URLs may be used."""

from __future__ import annotations

import pytest

from mcp_django.client.oauth.addresses import (
    canonical,
    check_secure,
    covers,
    resource_documents,
    server_documents,
)
from mcp_django.transports.client.http_library import httpx2


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://mcp.example", "https://mcp.example"),
        ("https://mcp.example/", "https://mcp.example"),
        ("HTTPS://MCP.Example:443/mcp", "https://mcp.example/mcp"),
        ("https://mcp.example:8443/mcp/", "https://mcp.example:8443/mcp/"),
        ("https://me:secret@mcp.example/mcp?a=b#c", "https://mcp.example/mcp"),
    ],
)
def test_canonical_url_of_a_server(url: str, expected: str) -> None:
    """Spec: 2026-07-28 basic/authorization, "Canonical Server URI"."""
    assert canonical(httpx2.URL(url)) == expected


@pytest.mark.parametrize(
    "resource",
    [
        "https://mcp.example/a/mcp",
        "https://MCP.example:443/a/mcp",
        "https://mcp.example/a/mcp/",
        "https://mcp.example/a",
        "https://mcp.example/",
        "https://mcp.example",
    ],
)
def test_resource_covers_a_server(resource: str) -> None:
    """Spec: RFC 9728, section 3.3; Chosen: a folder of the same origin will do."""
    assert covers(resource, "https://mcp.example/a/mcp")
    assert covers(resource, "https://mcp.example/a/mcp/")


@pytest.mark.parametrize(
    "resource",
    [
        "http://mcp.example/a/mcp",
        "https://mcp.example:8443/a/mcp",
        "https://evil.example/a/mcp",
        "https://mcp.example.evil.example/a/mcp",
        "https://mcp.example/a/mcp/sse",
        "https://mcp.example/a/m",
        "https://mcp.example/b",
        "https://mcp.example/a/mcp?x=y",
        "https://mcp.example/a/mcp#x",
        "urn:mcp",
        "a/mcp",
        "",
    ],
)
def test_resource_does_not_cover_a_server(resource: str) -> None:
    """Spec: likewise; a prefix of letters is none of folders."""
    assert not covers(resource, "https://mcp.example/a/mcp")


def test_places_of_the_metadata_of_a_server() -> None:
    """Spec: RFC 9728, section 3.1."""
    root = "https://mcp.example:8443/.well-known/oauth-protected-resource"

    assert resource_documents("https://mcp.example:8443") == [root]
    assert resource_documents("https://mcp.example:8443/a/mcp") == [
        f"{root}/a/mcp",
        root,
    ]


def test_places_of_the_metadata_of_an_authorization_server() -> None:
    """Spec: 2026-07-28 basic/authorization/authorization-server-discovery,
    "Authorization Server Metadata Discovery"."""
    origin = "https://login.example"

    for issuer in (origin, f"{origin}/"):
        assert server_documents(issuer) == [
            f"{origin}/.well-known/oauth-authorization-server",
            f"{origin}/.well-known/openid-configuration",
        ]
    for issuer in (f"{origin}/tenant1", f"{origin}/tenant1/"):
        assert server_documents(issuer) == [
            f"{origin}/.well-known/oauth-authorization-server/tenant1",
            f"{origin}/.well-known/openid-configuration/tenant1",
            f"{origin}/tenant1/.well-known/openid-configuration",
        ]


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example/token",
        "http://localhost:8000/token",
        "http://127.0.0.1/token",
        "http://[::1]:1/token",
        "http://app.localhost/token",
    ],
)
def test_url_that_is_safe(url: str) -> None:
    """Spec: 2026-07-28 basic/authorization/security-considerations, "Communication
    Security"."""
    check_secure(url, allow_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example/token",
        "http://localhost.evil.example/token",
        "http://127.0.0.1.evil.example/token",
        "http://10.0.0.1/token",
        "https://user:password@login.example/",
        "https://login.example/#fragment",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//login.example/token",
        "https://",
        "https://login.example:99999/",
        "https://login.example/" + 2000 * "x",
        "",
    ],
)
def test_url_that_is_not_safe(url: str) -> None:
    """Spec: likewise."""
    with pytest.raises(ValueError, match=r"\w"):
        check_secure(url, allow_http=False)


def test_plain_http_can_be_allowed() -> None:
    """Chosen: for a network in which no other program listens."""
    check_secure("http://web:8000/token", allow_http=True)
