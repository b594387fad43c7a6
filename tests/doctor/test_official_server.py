"""What the doctor says of a server of the official SDK, where users log in, too."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl

from mcp_django.doctor.doctor import examine
from mcp_django.doctor.findings import Verdict
from mcp_django.doctor.known_clients import KNOWN_CLIENTS
from mcp_django.transports.client.http_library import httpx2

SITE = "https://sdk.example"


class Provider(
    OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]
):
    """Lets clients register; no user ever logs in."""

    def __init__(self) -> None:
        self.clients: dict[str | None, OAuthClientInformationFull] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        return f"{SITE}/login"

    async def load_authorization_code(self, *args: Any) -> None:
        return None

    async def exchange_authorization_code(self, *args: Any) -> OAuthToken:
        raise NotImplementedError

    async def load_refresh_token(self, *args: Any) -> None:
        return None

    async def exchange_refresh_token(self, *args: Any) -> OAuthToken:
        raise NotImplementedError

    async def load_access_token(self, token: str) -> None:
        return None

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        return None


@pytest.fixture
def provider() -> Provider:
    """Give what remembers clients."""
    return Provider()


async def test_server_of_the_official_sdk_takes_every_client(
    provider: Provider,
) -> None:
    """Chosen: what real clients get along with is no failure."""
    server = MCPServer(
        "official",
        auth_server_provider=provider,
        auth=AuthSettings(
            issuer_url=AnyHttpUrl(SITE),
            resource_server_url=AnyHttpUrl(f"{SITE}/mcp"),
            client_registration_options=ClientRegistrationOptions(enabled=True),
            required_scopes=["user"],
            validate_token_resource=True,
        ),
    )
    transport = httpx2.ASGITransport(server.streamable_http_app())
    async with httpx2.AsyncClient(transport=transport) as http:
        findings = await examine(f"{SITE}/mcp", http=http, registers=True)

    said = {f.step: f.says for f in findings}
    for client in KNOWN_CLIENTS:
        assert said[client.name] == (
            f"would send its user to {SITE}/authorize (after it has registered)"
        )
    assert len(provider.clients) == len(KNOWN_CLIENTS)
    assert not [f for f in findings if f.verdict is Verdict.FAILED]
    warned = {f.step for f in findings if f.verdict is Verdict.WARNING}
    assert warned == {"Origin", "Host", "client ids"}
