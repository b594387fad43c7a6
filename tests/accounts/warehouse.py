"""Another MCP server with OAuth, by the official SDK: an authorization server, too.

Its users say yes at once, unless the test wants another answer.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import (
    AuthSettings,
    ClientRegistrationOptions,
    RevocationOptions,
)
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl

from tests.live.processes import wait_until
from tests.patience import PATIENCE_SECONDS

Answer = Literal["yes", "no"]


@dataclass
class Warehouse:
    """What the server knows; the provider of the SDK.

    Attributes:
        url: Of the MCP server.
        answer: What its users say when they are asked.
        lifetime: Seconds that an access token is good for.
        clients: Who registered, by id.
        tokens: Access tokens that are good.
        refreshes: How often tokens were renewed.
        logins: How often users were asked.
    """

    url: str
    answer: Answer = "yes"
    lifetime: int = 3600
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    refreshes: int = 0
    logins: int = 0

    def forget(self) -> None:
        """Be as new."""
        for known in (self.clients, self.codes, self.tokens, self.refresh_tokens):
            known.clear()
        self.answer, self.lifetime = "yes", 3600
        self.refreshes = self.logins = 0

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id is not None
        # The SDK's endpoint for revocation wants the secret in the form.
        client_info.token_endpoint_auth_method = "client_secret_post"
        self.clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        self.logins += 1
        uri = str(params.redirect_uri)
        if self.answer == "no":
            return construct_redirect_uri(
                uri, error="access_denied", state=params.state
            )
        code = AuthorizationCode(
            code=secrets.token_urlsafe(),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id or "",
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(uri, code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(
            client, authorization_code.scopes, authorization_code.resource
        )

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        return self.refresh_tokens.get(refresh_token)

    async def exchange_refresh_token(
        self,
        client: OAuthClientInformationFull,
        refresh_token: RefreshToken,
        scopes: list[str],
    ) -> OAuthToken:
        self.refreshes += 1
        # Strict: who comes twice with one is out.
        if self.refresh_tokens.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant")
        return self._issue(client, scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.tokens.clear()
        self.refresh_tokens.clear()

    async def exchange_identity_assertion(self, *arguments: Any) -> OAuthToken:
        raise TokenError("unsupported_grant_type")

    def _issue(
        self,
        client: OAuthClientInformationFull,
        scopes: list[str],
        resource: str | None,
    ) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(), secrets.token_urlsafe()
        client_id = client.client_id or ""
        self.tokens[access] = AccessToken(
            token=access,
            client_id=client_id,
            scopes=scopes,
            expires_at=int(time.time()) + self.lifetime,
            resource=resource,
        )
        self.refresh_tokens[refresh] = RefreshToken(
            token=refresh, client_id=client_id, scopes=scopes, resource=resource
        )
        return OAuthToken(
            access_token=access,
            refresh_token=refresh,
            expires_in=self.lifetime,
            scope=" ".join(scopes),
        )


def _server_of(warehouse: Warehouse) -> MCPServer[Any]:
    root = warehouse.url.removesuffix("/mcp")
    server: MCPServer[Any] = MCPServer(
        "warehouse",
        auth_server_provider=warehouse,
        auth=AuthSettings(
            issuer_url=AnyHttpUrl(root),
            resource_server_url=AnyHttpUrl(warehouse.url),
            validate_token_resource=True,
            required_scopes=["stock:read"],
            client_registration_options=ClientRegistrationOptions(
                enabled=True,
                valid_scopes=["stock:read", "stock:write"],
                default_scopes=["stock:read"],
            ),
            revocation_options=RevocationOptions(enabled=True),
        ),
    )

    @server.tool()
    def count_items(item: str) -> int:
        """Count what is there of something."""
        assert get_access_token() is not None
        return len(item)

    return server


@contextmanager
def running_warehouse() -> Iterator[Warehouse]:
    """Serve a warehouse on 127.0.0.1 until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        warehouse = Warehouse(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        app = _server_of(warehouse).streamable_http_app()
        serving = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=serving.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_until(lambda: serving.started or not thread.is_alive())
            assert serving.started
            yield warehouse
        finally:
            serving.should_exit = True
            thread.join(PATIENCE_SECONDS)
