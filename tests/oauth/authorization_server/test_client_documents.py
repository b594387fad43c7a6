"""Clients whose id is the URL of a document."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone
from oauth2_provider.models import get_application_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request
from pytest_django import Settings

from mcp_django.oauth.authorization_server.client_documents import (
    DocumentFetcher,
    may_be_document,
    read_document,
)
from mcp_django.oauth.authorization_server.policies import ClientPolicy
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.authorization_server.https_sites import (
    HOST,
    LocalDownloader,
    Site,
    Talk,
    answering,
)

pytestmark = pytest.mark.django_db

HERE = "tests.oauth.authorization_server.test_client_documents"
DAY = 24 * 60 * 60


class Fetcher(DocumentFetcher):
    """Finds `HOST` on this machine."""

    downloader = LocalDownloader


@pytest.fixture(autouse=True)
def local(preset: None, settings: Settings, certificate: Path) -> None:
    """Have documents fetched from this machine."""
    LocalDownloader.certificate = certificate
    settings.OAUTH2_PROVIDER = oauth2_provider(
        CIMD_METADATA_FETCHER=f"{HERE}.Fetcher", CIMD_FETCH_TIMEOUT_SECONDS=2
    )


Serve = Callable[[Talk], AbstractContextManager[Site]]


@pytest.fixture
def serve(certificate: Path) -> Serve:
    """Give what starts a server."""
    return lambda talk: Site(certificate, talk).serving()


@pytest.fixture
def asking() -> HttpRequest:
    """Give a request of a user who has logged in."""
    request = RequestFactory().get("/oauth/authorize")
    request.user = get_user_model().objects.create_user("reader")
    return request


def document(site: Site, **changes: Any) -> dict[str, Any]:
    """Give a document as clients publish it; None takes a member away."""
    members: dict[str, Any] = {
        "client_id": url_of(site),
        "client_name": "Example",
        "client_uri": "https://client.example",
        "redirect_uris": [
            "http://127.0.0.1:3000/callback",
            "http://localhost/callback",
        ],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def publishing(*headers: str, **changes: Any) -> Talk:
    """Give what publishes a document, with changes."""

    def talk(site: Site, connection: Any) -> None:
        answering(document(site, **changes), *headers)(site, connection)

    return talk


def url_of(site: Site, path: str = "/client.json") -> str:
    """Give the URL of the document."""
    return f"https://{HOST}:{site.port}{path}"


def applications() -> Any:
    """Give all rows."""
    return get_application_model().objects.order_by("pk")


def seconds_left(row: Any) -> float:
    """Say for how long a document is still good."""
    left: datetime.timedelta = row.cimd_expires_at - timezone.now()
    return left.total_seconds()


# URLs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client_id",
    [
        "https://client.example/c.json",
        "https://client.example/",
        "https://client.example:8443/a/b?version=2",
        "https://client.example/a..b/.well-known/c",
    ],
)
def test_urls_of_documents_are_known(client_id: str) -> None:
    """Spec: draft-ietf-oauth-client-id-metadata-document, section 3."""
    assert may_be_document(client_id)


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        "kP3xY",
        "http://client.example/c.json",
        "HTTPS://client.example/c.json",
        "https://client.example",
        "https://client.example?c",
        "https:///c.json",
        "https://user@client.example/c.json",
        "https://@client.example/c.json",
        "https://user:secret@client.example/c.json",
        "https://client.example/c.json#part",
        "https://client.example/a/../c.json",
        "https://client.example/./c.json",
        "https://client.example/%2e%2E/c.json",
        "https://client.example:99999/c.json",
        "https://client.example/c.json\n",
        "https://client.example/c\x00.json",
        "https://client.example\\@inside/c.json",
        "https://client.example/ c.json",
        "https://client.example/" + "c" * 255,
        "file:///etc/passwd",
        "\ud800",
    ],
)
def test_what_names_no_document_is_never_fetched(
    client_id: str, asking: HttpRequest
) -> None:
    """Spec: draft-ietf-oauth-client-id-metadata-document, section 3."""
    before = list(LocalDownloader.lookups)
    assert not may_be_document(client_id)
    read_document(asking, client_id)
    assert LocalDownloader.lookups == before
    assert not applications().exists()


# Documents ------------------------------------------------------------------------


def test_client_of_a_document_becomes_a_row(serve: Serve, asking: HttpRequest) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration."""
    with serve(publishing()) as site:
        read_document(asking, url_of(site))
        read_document(asking, url_of(site))

    (row,) = applications()
    assert site.requests == ["GET /client.json HTTP/1.1"]
    assert row.client_id == url_of(site)
    assert (row.name, row.client_type) == ("Example", "public")
    assert row.redirect_uris.split() == [
        "http://127.0.0.1/callback",
        "http://localhost/callback",
    ]
    assert row.authorization_grant_type == "authorization-code"
    assert (row.registration_source, row.user) == ("cimd", None)
    assert DAY - 60 < seconds_left(row) <= DAY


@pytest.mark.parametrize(
    "changes",
    [
        {
            "grant_types": [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ]
        },
        {"grant_types": None, "response_types": None},
        {"token_endpoint_auth_method": None},
        {"redirect_uris": ["cursor://x/callback", "https://client.example/cb"]},
        {"redirect_uris": ["http://[::1]/callback"]},
        {"scope": "mcp:read unknown", "jwks_uri": "https://client.example/jwks"},
    ],
)
def test_what_real_documents_say_is_taken(
    changes: dict[str, Any], serve: Serve, asking: HttpRequest
) -> None:
    """Chosen: as for programs that register."""
    with serve(publishing(**changes)) as site:
        read_document(asking, url_of(site))
    assert applications().count() == 1


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=3600", 3600),
        ("public, MAX-AGE = 3600", 3600),
        ("s-maxage=7", DAY),
        ("max-age=1", 300),
        ("max-age=99999999999999", DAY),
        ("max-age=-5", DAY),
        ("no-store", 300),
        ("max-age=3600, no-cache", 300),
    ],
)
def test_documents_are_good_as_long_as_they_say(
    cache_control: str, seconds: int, serve: Serve, asking: HttpRequest
) -> None:
    """Spec: RFC 9111, section 5.2.2; within five minutes and a day."""
    with serve(publishing(f"Cache-Control: {cache_control}")) as site:
        read_document(asking, url_of(site))
    assert seconds - 60 < seconds_left(applications().get()) <= seconds


def test_document_that_is_out_of_date_is_fetched_again(
    serve: Serve, asking: HttpRequest
) -> None:
    """Spec: draft-ietf-oauth-client-id-metadata-document, section 4.3."""
    names = iter(["First", "Second"])

    def talk(site: Site, connection: Any) -> None:
        if name := next(names, None):
            publishing(client_name=name)(site, connection)
        else:
            site.secure(connection)

    with serve(talk) as site:
        read_document(asking, url_of(site))
        applications().update(cimd_expires_at=timezone.now())
        read_document(asking, url_of(site))
        # The server has nothing more to say.
        applications().update(cimd_expires_at=timezone.now())
        read_document(asking, url_of(site))

    assert applications().get().name == "Second"
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://other.example/client.json"},
        {"client_id": None},
        {"client_id": 7},
        {"client_name": None},
        {"client_name": "\u200b"},
        {"client_name": "\ud800"},
        {"client_name": ["Example"]},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": ["http://client.example/callback"]},
        {"redirect_uris": ["https://a.example/cb https://b.example/cb"]},
        {"redirect_uris": ["javascript:/x"]},
        {"redirect_uris": [[]]},
        {"grant_types": ["implicit"]},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": []},
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
    ],
)
def test_document_of_no_client_is_refused(
    changes: dict[str, Any],
    serve: Serve,
    asking: HttpRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: draft-ietf-oauth-client-id-metadata-document, sections 4 and 4.1."""
    with serve(publishing(**changes)) as site:
        read_document(asking, url_of(site))

    assert site.requests == ["GET /client.json HTTP/1.1"]
    assert not applications().exists()
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "talk",
    [
        answering(b"", status="404 Not Found"),
        answering(b"{}", status="201 Created"),
        answering(b"", "Location: /other", status="301 Moved Permanently"),
        answering(b"<html>", content_type="text/html"),
        answering({}, content_type="text/json"),
        answering({}, content_type=""),
        answering(b""),
        answering(b"{"),
        answering(b"[" * 10_000),
        answering([]),
        answering(b"\xff\x00"),
        answering(b" " * 17 * 1024),
        answering(b"\x1f\x8b", "Content-Encoding: gzip"),
        publishing("Content-Encoding: br"),
    ],
)
def test_what_is_no_document_is_refused_and_not_fetched_again_at_once(
    talk: Talk,
    serve: Serve,
    asking: HttpRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: draft-ietf-oauth-client-id-metadata-document, section 4."""
    with serve(talk) as site:
        read_document(asking, url_of(site))
        read_document(asking, url_of(site))

    assert site.requests == ["GET /client.json HTTP/1.1"]
    assert not applications().exists()
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/cimd+json"]
)
def test_documents_may_have_types_of_their_own(
    content_type: str, serve: Serve, asking: HttpRequest
) -> None:
    """Spec: RFC 6839, section 3.1."""

    def talk(site: Site, connection: Any) -> None:
        typed = answering(document(site), content_type=content_type)
        typed(site, connection)

    with serve(talk) as site:
        read_document(asking, url_of(site))
    assert applications().count() == 1


# For whom -------------------------------------------------------------------------


def test_nothing_is_fetched_for_strangers(serve: Serve, asking: HttpRequest) -> None:
    """Chosen: only users with an account make the site fetch anything."""
    asking.user = AnonymousUser()
    with serve(publishing()) as site:
        read_document(asking, url_of(site))
    assert site.connections == 0


def test_no_other_endpoint_fetches_anything(serve: Serve, asking: HttpRequest) -> None:
    """Chosen: those of tokens are asked by programs, of whom nothing is known yet."""

    def is_known(client_id: str) -> bool:
        request = Request("https://testserver/token", "POST", {}, {})
        found: bool = OAuth2Validator().validate_client_id(client_id, request)
        return found

    with serve(publishing()) as site:
        assert not is_known(url_of(site))
        assert site.connections == 0
        read_document(asking, url_of(site))
        applications().update(cimd_expires_at=timezone.now())
        # Out of date it is still known, and not fetched again.
        assert is_known(url_of(site))
    assert site.connections == 1


def test_documents_can_be_switched_off(
    serve: Serve, asking: HttpRequest, settings: Settings
) -> None:
    """Chosen: by the toolkit's own setting."""
    settings.OAUTH2_PROVIDER = oauth2_provider(CIMD_ENABLED=False)
    with serve(publishing()) as site:
        read_document(asking, url_of(site))
    assert site.connections == 0


def test_client_of_an_administrator_is_not_taken_over(
    serve: Serve, asking: HttpRequest
) -> None:
    """Chosen: what people wrote goes before what a program says."""
    with serve(publishing()) as site:
        applications().create(name="Ours", client_id=url_of(site))
        read_document(asking, url_of(site))
    assert site.connections == 0
    assert applications().get().name == "Ours"


class OnlyOurs(ClientPolicy):
    """Lets in what is on one domain."""

    hosts = (".ours.example",)


class OnlyExample(ClientPolicy):
    """Lets in what is on the host of the tests."""

    hosts = (HOST,)
    clients_per_minute = 2
    max_unused_clients = 3


def test_policy_says_which_documents_are_fetched(
    serve: Serve, asking: HttpRequest, settings: Settings
) -> None:
    """Chosen: the host of a document is one that users may be sent to."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.OnlyOurs"}
    with serve(publishing()) as site:
        read_document(asking, url_of(site))
        assert site.connections == 0
        settings.MCP = {"CLIENT_POLICY": f"{HERE}.OnlyExample"}
        read_document(asking, url_of(site))
    assert applications().count() == 1


def test_policy_says_where_clients_of_documents_send_users(
    serve: Serve, asking: HttpRequest, settings: Settings
) -> None:
    """Chosen: what a document says is not trusted more than a registration."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.OnlyExample"}
    with serve(publishing(redirect_uris=["https://evil.example/cb"])) as site:
        read_document(asking, url_of(site))
    assert site.connections == 1
    assert not applications().exists()


def test_users_can_have_so_many_fetched_in_a_minute(
    serve: Serve, asking: HttpRequest, settings: Settings
) -> None:
    """Chosen: an account is no licence to have the site fetch for ever."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.OnlyExample"}
    with serve(answering({})) as site:
        for number in range(5):
            read_document(asking, url_of(site, f"/{number}.json"))
    assert site.requests == ["GET /0.json HTTP/1.1", "GET /1.json HTTP/1.1"]


def test_documents_count_among_unused_clients(
    serve: Serve, asking: HttpRequest, settings: Settings
) -> None:
    """Chosen: the table stays bounded, whatever users log in with."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.OnlyExample"}
    for number in range(3):
        applications().create(name=str(number), registration_source="dcr")
    with serve(publishing()) as site:
        read_document(asking, url_of(site))
    assert site.connections == 0
    assert applications().count() == 3


def test_cache_that_is_away_is_not_an_error_of_the_page(
    serve: Serve, asking: HttpRequest, settings: Settings
) -> None:
    """Chosen: the client is unknown until it is back, and the log says why."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    with serve(publishing()) as site:
        read_document(asking, url_of(site))
    assert site.connections == 0
