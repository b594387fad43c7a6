"""Programs that come by themselves log their users in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from oauth2_provider.models import get_application_model

from mcp_django.oauth.authorization_server.client_documents import DocumentFetcher
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.authorization_server.asking import (
    Visit,
    exchange,
    shop_site,
    told_by,
    url_of,
)
from tests.oauth.authorization_server.https_sites import (
    HOST,
    LocalDownloader,
    Site,
    answering,
)

pytestmark = pytest.mark.django_db


class Fetcher(DocumentFetcher):
    """Finds `HOST` on this machine."""

    downloader = LocalDownloader


HERE = "tests.oauth.authorization_server.test_coming_by_oneself"


@pytest.fixture(autouse=True)
def shop() -> Iterator[None]:
    """Serve the shop."""
    with shop_site():
        yield


@pytest.fixture
def site(certificate: Path) -> Iterator[Site]:
    """Serve a document on the internet."""
    LocalDownloader.certificate = certificate

    def talk(site: Site, connection: Any) -> None:
        document = {
            "client_id": f"https://{HOST}:{site.port}/client.json",
            "client_name": "Example",
            "redirect_uris": ["http://127.0.0.1/callback"],
        }
        answering(document)(site, connection)

    with (
        override_settings(
            OAUTH2_PROVIDER=oauth2_provider(CIMD_METADATA_FETCHER=f"{HERE}.Fetcher")
        ),
        Site(certificate, talk).serving() as serving,
    ):
        yield serving


def program(client_id: str, redirect_uri: str) -> Any:
    """Give a program as it knows itself."""
    return SimpleNamespace(client_id=client_id, redirect_uris=redirect_uri)


def program_of(site: Site) -> Any:
    """Give the program whose document a site has."""
    url = f"https://{HOST}:{site.port}/client.json"
    return program(url, "http://127.0.0.1:51234/callback")


@pytest.mark.parametrize(
    "used",
    [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:51234/callback",
    ],
)
def test_program_that_registers_gets_tokens_at_each_of_its_redirect_uris(
    used: str, ada: User
) -> None:
    """Spec: RFC 7591, section 3, to RFC 6749, section 4.1."""
    asked = {
        "client_name": "Cursor",
        "redirect_uris": [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
        "token_endpoint_auth_method": "none",
    }
    answer: Any = Client().post(
        "/oauth/register", json.dumps(asked), content_type="application/json"
    )
    cursor = program(answer.json()["client_id"], used)

    visit = Visit.of(ada, cursor)
    assert "Cursor" in visit.text
    tokens = exchange(cursor, visit.allow("mcp:read"))

    assert tokens["scope"] == "mcp:read"


def test_program_of_a_document_gets_tokens(site: Site, ada: User) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration."""
    example = program_of(site)

    visit = Visit.of(ada, example)
    assert "Example" in visit.text
    assert HOST in visit.text
    tokens = exchange(example, visit.allow("mcp:read"))

    assert tokens["scope"] == "mcp:read"
    assert site.requests == ["GET /client.json HTTP/1.1"]


@pytest.mark.parametrize("changes", [{}, {"prompt": "none"}, {"prompt": "login"}])
def test_stranger_is_sent_to_the_login_and_nothing_is_fetched(
    changes: dict[str, str], site: Site
) -> None:
    """Chosen: only who has an account makes the site fetch anything."""
    response: Any = Client().get(url_of(program_of(site), **changes))

    assert response.status_code == (400 if changes.get("prompt") == "none" else 302)
    if response.status_code == 302:
        assert response["Location"].startswith("/login/?next=/oauth/authorize")
    assert site.connections == 0


def test_token_endpoint_fetches_nothing(site: Site) -> None:
    """Chosen: it is asked by strangers."""
    example = program_of(site)
    response: Any = Client().post(
        "/oauth/token",
        {
            "grant_type": "authorization_code",
            "code": "x",
            "client_id": example.client_id,
            "redirect_uri": example.redirect_uris,
            "code_verifier": "v" * 43,
        },
    )
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert site.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433"])
def test_document_inside_the_network_is_an_unknown_program(
    host: str, certificate: Path, ada: User
) -> None:
    """Chosen: with what is really there, and the fetcher of the preset."""
    with Site(certificate, answering({})).serving() as inside:
        url = f"https://{host}:{inside.port}/client.json"
        visit = Visit.of(ada, program(url, "http://127.0.0.1/callback"))

    assert visit.page.status_code == 400
    assert inside.connections == 0
    assert not get_application_model().objects.exists()


@pytest.mark.parametrize(
    "redirect_uri",
    ["http://localhost/callback", "http://127.0.0.1/other", "https://evil.example/"],
)
def test_redirect_uri_that_the_document_does_not_name_is_an_error_page(
    redirect_uri: str, site: Site, ada: User
) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration: MUST validate."""
    example = program_of(site)
    visit = Visit.of(ada, program(example.client_id, redirect_uri))
    assert visit.page.status_code == 400
    assert "Location" not in visit.page


def test_document_is_switched_off_with_the_toolkits_setting(
    site: Site, ada: User
) -> None:
    """Chosen: then the program is unknown before a user logs in."""
    with override_settings(OAUTH2_PROVIDER=oauth2_provider(CIMD_ENABLED=False)):
        response: Any = Client().get(url_of(program_of(site)))
    assert response.status_code == 400
    assert site.connections == 0


def test_denial_is_told_to_the_program_of_a_document(site: Site, ada: User) -> None:
    """Spec: RFC 6749, section 4.1.2.1."""
    visit = Visit.of(ada, program_of(site))
    assert told_by(visit.decide("deny"))["error"] == "access_denied"
