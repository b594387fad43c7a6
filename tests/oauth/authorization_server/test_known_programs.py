"""What programs that people use say of themselves, and that each then logs in.

`SEEN` was seen in November 2026, as the programs logged in at the demo. `REPORTED` and
`DOCUMENTS` stand in the places that are named with them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from oauth2_provider.models import get_application_model

from mcp_django.oauth.authorization_server.client_documents import DocumentFetcher
from mcp_django.oauth.authorization_server.downloads import (
    Downloaded,
    Downloader,
    DownloadFailed,
)
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.authorization_server.asking import (
    RESOURCE,
    VERIFIER,
    Visit,
    shop_site,
)

FORM = "application/x-www-form-urlencoded"
SCOPES = "mcp:read mcp:write shop:ship"
GRANTS = ["authorization_code", "refresh_token"]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
PUBLIC = {"token_endpoint_auth_method": "none", "response_types": ["code"]}
CONNECTOR = "https://chatgpt.com/connector/oauth/OUbdUMlL15Ct"
OF_CLAUDE = "https://claude.ai/api/mcp/auth_callback"

SEEN: dict[str, dict[str, Any]] = {
    "Codex 0.171": {
        "client_name": "Codex",
        "redirect_uris": ["http://127.0.0.1:42285/callback"],
        "grant_types": GRANTS,
        "scope": SCOPES,
        "application_type": "native",
        **PUBLIC,
    },
    "Claude Code 2.1.197": {
        "client_name": "Claude Code (library)",
        "redirect_uris": ["http://localhost:3118/callback"],
        "grant_types": GRANTS,
        "scope": SCOPES,
        **PUBLIC,
    },
    "opencode 1.18.33": {
        "client_name": "OpenCode",
        "client_uri": "https://opencode.ai",
        "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"],
        "grant_types": GRANTS,
        "scope": SCOPES,
        **PUBLIC,
    },
    "MCP Inspector 2.12": {
        "client_name": "MCP Inspector",
        "client_uri": "https://github.com/modelcontextprotocol/inspector",
        "redirect_uris": ["http://127.0.0.1:6274/oauth/callback"],
        "grant_types": GRANTS,
        "scope": SCOPES,
        "application_type": "native",
        **PUBLIC,
    },
    "mcp-use 1.7 for Python": {
        "client_name": "mcp-use",
        "redirect_uris": ["http://localhost:8080/callback"],
        "grant_types": ["authorization_code"],
        "scope": SCOPES,
        "application_type": "native",
        **PUBLIC,
    },
    "what rests on the Python SDK 1": {
        "client_name": "langchain",
        "redirect_uris": ["http://127.0.0.1:45365/callback"],
        "grant_types": GRANTS,
        "response_types": ["code"],
        "scope": SCOPES,
    },
}
REPORTED: dict[str, dict[str, Any]] = {
    # github.com/anthropics/claude-code/issues/5826
    "Claude, as of 2025": {
        "client_name": "Claude",
        "redirect_uris": [OF_CLAUDE],
        "grant_types": GRANTS,
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": SCOPES,
    },
    # github.com/makeplane/plane-mcp-server/pull/165
    "ChatGPT": {
        "client_name": "ChatGPT",
        "redirect_uris": [CONNECTOR],
        "grant_types": GRANTS,
        **PUBLIC,
    },
    # github.com/microsoft/vscode: src/vs/base/common/oauth.ts
    "VS Code": {
        "client_name": "Visual Studio Code",
        "client_uri": "https://code.visualstudio.com",
        "redirect_uris": [
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ],
        "grant_types": [*GRANTS, DEVICE],
        "application_type": "native",
        **PUBLIC,
    },
    # github.com/erp-mafia/accounted/pull/2225
    "Cursor, and Grok": {
        "client_name": "Cursor",
        "redirect_uris": [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
        "grant_types": GRANTS,
        **PUBLIC,
    },
}
DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    # github.com/django-oauth/django-oauth-toolkit/issues/1857
    "ChatGPT": (
        "https://chatgpt.com/connector_platform_oauth_redirect",
        {
            "client_id": "https://chatgpt.com/oauth/client.json",
            "client_uri": "https://chatgpt.com/",
            "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "grant_types": GRANTS,
            "response_types": ["code"],
            "client_name": "ChatGPT",
            "token_endpoint_auth_signing_alg": "RS256",
            "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
        },
    ),
    # github.com/anthropics/claude-code/issues/41011 and 64705
    "Claude Code": (
        "http://localhost:60351/callback",
        {
            "client_id": "https://claude.ai/oauth/claude-code-client-metadata",
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": GRANTS,
            **PUBLIC,
        },
    ),
    # github.com/anomalyco/opencode/pull/47737
    "opencode": (
        "http://127.0.0.1:19876/callback",
        {
            "client_id": "https://opencode.ai/oauth/opencode/client.json",
            "client_name": "opencode",
            "client_uri": "https://opencode.ai",
            "logo_uri": "https://opencode.ai/web-app-manifest-512x512.png",
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
            "grant_types": GRANTS,
            "token_endpoint_auth_methods_supported": ["none"],
            **PUBLIC,
        },
    ),
}


class PublishedDownloader(Downloader):
    """Finds the documents of programs here, and not on the internet."""

    def download(
        self, url: str, *, timeout: float, max_bytes: int, accept: str
    ) -> Downloaded:
        """Give a document as its host does."""
        documents = {found["client_id"]: found for _, found in DOCUMENTS.values()}
        body = json.dumps(documents[url]).encode()
        return Downloaded(200, {"content-type": "application/json"}, body)


class Fetcher(DocumentFetcher):
    """Fetches what `DOCUMENTS` says."""

    downloader = PublishedDownloader


class OfflineDownloader(Downloader):
    """Reaches nothing, as on a site that may not ask the internet."""

    def download(
        self, url: str, *, timeout: float, max_bytes: int, accept: str
    ) -> Downloaded:
        """Fail as without a name server."""
        raise DownloadFailed("Name or service not known")


class OfflineFetcher(DocumentFetcher):
    """Fetches nothing."""

    downloader = OfflineDownloader


def register(said: dict[str, Any]) -> dict[str, Any]:
    """Have a program register."""
    response: Any = Client().post(
        "/oauth/register", json.dumps(said), content_type="application/json"
    )
    assert response.status_code == 201, response.content
    answer: dict[str, Any] = response.json()
    return answer


def ask(client: dict[str, Any], **form: str) -> Any:
    """Ask for tokens, as the program proves itself."""
    sent = {"client_id": client["client_id"], **form}
    headers = {}
    secret = client.get("client_secret")
    if client["token_endpoint_auth_method"] == "client_secret_basic":
        pair = f"{client['client_id']}:{secret}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
    elif secret:
        sent["client_secret"] = secret
    return Client().post(
        "/oauth/token", urlencode(sent), content_type=FORM, headers=headers
    )


def log_in(user: User, client: dict[str, Any], redirect_uri: str) -> None:
    """Have the user let a program in, which gets tokens, and new ones for those."""
    row = get_application_model().objects.filter(client_id=client["client_id"]).first()
    application = row or get_application_model()(client_id=client["client_id"])
    visit = Visit.of(user, application, redirect_uri=redirect_uri, scope=SCOPES)
    assert visit.page.status_code == 200, visit.text
    told = visit.allow(*SCOPES.split())
    code = {
        "grant_type": "authorization_code",
        "code": told["code"],
        "redirect_uri": redirect_uri,
        "code_verifier": VERIFIER,
        "resource": RESOURCE,
    }
    tokens = ask(client, **code)
    assert tokens.status_code == 200, tokens.content
    assert set(tokens.json()["scope"].split()) == set(SCOPES.split())
    renewed = ask(
        client,
        grant_type="refresh_token",
        refresh_token=tokens.json()["refresh_token"],
        resource=RESOURCE,
    )
    assert renewed.status_code == 200, renewed.content


@pytest.mark.parametrize("said", [*SEEN.values(), *REPORTED.values()])
def test_program_that_registers_logs_in_by_each_of_its_redirect_uris(
    said: dict[str, Any], user: User
) -> None:
    with shop_site():
        client = register(said)
        assert client["redirect_uris"] == said["redirect_uris"]
        for redirect_uri in said["redirect_uris"]:
            log_in(user, client, redirect_uri)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_program_that_publishes_a_document_logs_in(name: str, user: User) -> None:
    redirect_uri, said = DOCUMENTS[name]
    client = {"client_id": said["client_id"], "token_endpoint_auth_method": "none"}
    fetcher = f"{__name__}.Fetcher"
    with shop_site(OAUTH2_PROVIDER=oauth2_provider(CIMD_METADATA_FETCHER=fetcher)):
        log_in(user, client, redirect_uri)


def test_program_that_was_let_in_is_not_pruned(user: User) -> None:
    """Else Codex and others, which keep their client id, would have to log in anew."""
    with shop_site():
        client = register(SEEN["Codex 0.171"])
        log_in(user, client, "http://127.0.0.1:37001/callback")
        call_command("mcp_prune_clients", verbosity=0)
        log_in(user, client, "http://127.0.0.1:37002/callback")


def test_user_is_told_which_document_the_site_could_not_read(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    """And not that the program has to put it right, which it cannot."""
    client_id = "https://chatgpt.com/oauth/codex/client.json"
    application = get_application_model()(client_id=client_id)
    fetcher = f"{__name__}.OfflineFetcher"
    with shop_site(OAUTH2_PROVIDER=oauth2_provider(CIMD_METADATA_FETCHER=fetcher)):
        visit = Visit.of(user, application, redirect_uri="http://127.0.0.1:1/callback")
    assert visit.page.status_code == 400
    assert "This site could not read what the program publishes" in visit.text
    assert client_id in visit.text
    assert "has to put it right" not in visit.text
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert f"cannot take the client {client_id}: Name or service not known" in warnings
