"""Programs that register by themselves."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_application_model
from pytest_django import Settings

from mcp_django.oauth.authorization_server.client_metadata import ClientMetadata
from mcp_django.oauth.authorization_server.policies import ClientPolicy
from mcp_django.oauth.authorization_server.registration import MAX_BODY_BYTES
from mcp_django.oauth.models import Consent
from mcp_django.oauth.preset import oauth2_provider

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.oauth.authorization_server.registration_urls"),
]

PATH = "/oauth/register"
CLAUDE = {
    "client_name": "Claude",
    "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
CURSOR = {
    "client_name": "Cursor",
    "redirect_uris": [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
VS_CODE = {
    "client_name": "Visual Studio Code",
    "client_uri": "https://code.visualstudio.com",
    "grant_types": [
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ],
    "response_types": ["code"],
    "redirect_uris": [
        "https://insiders.vscode.dev/redirect",
        "https://vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
    ],
    "scope": "mcp:read mcp:write",
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}


def register(body: Any, **headers: str) -> Any:
    """Post a registration; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client(enforce_csrf_checks=True).post(
        PATH, content, content_type="application/json", headers=headers
    )


def assert_refused(response: Any, status: int, error: str, description: str) -> None:
    """Assert that an answer is an error of RFC 7591."""
    assert (response.status_code, response["Content-Type"]) == (
        status,
        "application/json",
    )
    assert response.json() == {"error": error, "error_description": description}
    assert response["Cache-Control"] == "no-store"


def applications() -> Any:
    """Give all rows."""
    return get_application_model().objects.order_by("pk")


# Known clients --------------------------------------------------------------------


def test_public_client_is_registered_as_it_asks() -> None:
    """Spec: RFC 7591, section 3.2.1."""
    response = register(CLAUDE)

    (row,) = applications()
    assert response.status_code == 201
    assert response.json() == {
        **CLAUDE,
        "client_id": row.client_id,
        "client_id_issued_at": int(row.created.timestamp()),
    }
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
    assert (row.client_type, row.registration_source) == ("public", "dcr")
    assert (row.client_secret, row.user, row.skip_authorization) == ("", None, False)
    assert row.authorization_grant_type == "authorization-code"


def test_three_redirect_uris_of_cursor_are_taken_at_once() -> None:
    """Chosen: one refusal would stop it."""
    response = register(CURSOR)

    assert response.status_code == 201
    assert response.json()["redirect_uris"] == CURSOR["redirect_uris"]
    assert response.json()["application_type"] == "native"


def test_further_grant_types_of_vs_code_are_left_out_and_the_answer_says_so() -> None:
    """Spec: RFC 7591, section 3.2.1, on values that the server replaces."""
    response = register(VS_CODE)

    assert response.status_code == 201
    assert response.json()["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_uri" not in response.json()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", None])
@pytest.mark.parametrize(
    "hashers",
    [
        ["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
        ["django.contrib.auth.hashers.MD5PasswordHasher"],
    ],
)
def test_confidential_client_gets_a_secret_that_the_toolkit_takes(
    method: str | None, hashers: list[str], settings: Settings
) -> None:
    """Spec: RFC 7591, section 2: basic is the default."""
    settings.PASSWORD_HASHERS = hashers

    answer = register({**CLAUDE, "token_endpoint_auth_method": method}).json()

    (row,) = applications()
    assert answer["token_endpoint_auth_method"] == method or "client_secret_basic"
    assert answer["client_secret_expires_at"] == 0
    assert row.client_secret != answer["client_secret"]
    assert row.client_type == "confidential"
    revoked = Client().post(
        "/o/revoke",
        {
            "client_id": answer["client_id"],
            "client_secret": answer["client_secret"],
            "token": "x",
        },
    )
    assert revoked.status_code == 200


def test_registering_takes_no_time_for_hashing(settings: Settings) -> None:
    """Chosen: nothing a stranger may ask costs as much as a login; 0.3 s and more."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]

    before = time.process_time()
    for method in ("none", "client_secret_basic"):
        answer = register({**CLAUDE, "token_endpoint_auth_method": method})
        assert answer.status_code == 201

    assert time.process_time() - before < 0.15


def test_scopes_are_those_that_the_site_has() -> None:
    """Spec: RFC 7591, section 2, "scope"."""
    answer = register({**CLAUDE, "scope": "openid mcp:read mcp:read offline"}).json()
    assert answer["scope"] == "mcp:read"
    assert "scope" not in register({**CLAUDE, "scope": "openid email"}).json()


def test_nothing_manages_what_was_registered() -> None:
    """Chosen: RFC 7592 is off, so its members are missing."""
    answer = register(CLAUDE).json()
    assert "registration_access_token" not in answer
    assert "registration_client_uri" not in answer
    assert not get_access_token_model().objects.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused_in_json(method: str) -> None:
    """Spec: RFC 9110, section 15.5.6."""
    response = Client().generic(method, PATH)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response["Content-Type"] == "application/json"


def test_registration_can_be_switched_off(settings: Settings) -> None:
    """Chosen: by the toolkit's own setting."""
    settings.OAUTH2_PROVIDER = oauth2_provider(DCR_ENABLED=False)
    assert_refused(
        register(CLAUDE),
        403,
        "access_denied",
        "programs cannot register here; ask the administrator of the site for a "
        "client id",
    )


# Browsers -------------------------------------------------------------------------


@pytest.mark.parametrize("with_middleware", [True, False])
def test_pages_of_every_origin_may_register(
    with_middleware: bool, settings: Settings
) -> None:
    """Spec: Fetch, "CORS protocol"; what runs in a page registers as well."""
    if not with_middleware:
        settings.MIDDLEWARE = []
    page = {"Origin": "https://page.example"}

    preflight = Client().options(
        PATH,
        headers={
            **page,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,mcp-protocol-version",
        },
    )
    response = register(CLAUDE, **page)
    refused = register(b"", **page)

    assert preflight.status_code == 200
    assert preflight["Access-Control-Allow-Methods"] == "POST"
    allowed = preflight["Access-Control-Allow-Headers"].split(", ")
    assert {"content-type", "mcp-protocol-version"} <= set(allowed)
    for answer in (preflight, response, refused):
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer


# Duplicates -----------------------------------------------------------------------


def test_public_clients_that_say_the_same_are_one() -> None:
    """Spec: RFC 7591, section 3.2.1, on several instances of a client."""
    first, second = register(CLAUDE).json(), register(CLAUDE).json()
    assert first == second
    assert applications().count() == 1


def test_port_of_a_loopback_uri_makes_no_other_client() -> None:
    """Chosen: any port matches, and programs take another one each time."""
    ids = set()
    for port in (1234, 2345):
        uris = [f"http://127.0.0.1:{port}/callback"]
        answer = register({**CLAUDE, "redirect_uris": uris}).json()
        assert answer["redirect_uris"] == uris
        ids.add(answer["client_id"])

    (row,) = applications()
    assert ids == {row.client_id}
    assert row.redirect_uris == "http://127.0.0.1/callback"


@pytest.mark.parametrize(
    "change",
    [
        {"client_name": "Other"},
        {"redirect_uris": ["https://claude.ai/other"]},
        {"redirect_uris": [*CLAUDE["redirect_uris"], "http://localhost/"]},
    ],
)
def test_public_clients_that_say_something_else_are_others(
    change: dict[str, Any],
) -> None:
    """Chosen: what users see of a client, and where they are sent, never changes."""
    first, second = register(CLAUDE).json(), register({**CLAUDE, **change}).json()
    assert first["client_id"] != second["client_id"]


def test_confidential_clients_are_never_one() -> None:
    """Spec: RFC 6749, section 2.3: a secret proves one client."""
    asked = {**CLAUDE, "token_endpoint_auth_method": "client_secret_post"}
    first, second = register(asked).json(), register(asked).json()
    assert first["client_id"] != second["client_id"]
    assert first["client_secret"] != second["client_secret"]


def test_client_that_was_forgotten_is_there_again_under_the_same_id() -> None:
    """Chosen: programs that still have the id go on."""
    first = register(CLAUDE).json()
    applications().delete()
    assert register(CLAUDE).json()["client_id"] == first["client_id"]


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uris": "https://claude.ai/other"},
        {"name": "Our Claude"},
        {"skip_authorization": True},
        {"registration_source": "manual"},
        {"client_type": "confidential"},
    ],
)
def test_client_that_an_administrator_changed_is_not_given_to_others(
    change: dict[str, Any],
) -> None:
    """Chosen: what they trust one with is not for all who say the same."""
    first = register(CLAUDE).json()
    applications().update(**change)
    assert register(CLAUDE).json()["client_id"] != first["client_id"]


# What is refused ------------------------------------------------------------------


def nested(depth: int) -> bytes:
    """Give an array in an array in an array."""
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b"", "the body is not JSON"),
        (b"redirect_uris=https://claude.ai", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (nested(30_000), "the body is not JSON"),
        (b'{"client_name": ' + nested(30_000) + b"}", "the body is not JSON"),
        (b'{"client_name": ' + b"1" * 5000 + b"}", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b'"text"', "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
    ],
)
def test_what_is_no_metadata_is_refused(body: bytes, description: str) -> None:
    """Spec: RFC 7591, section 3.2.2."""
    assert_refused(register(body), 400, "invalid_client_metadata", description)


def test_large_body_is_refused() -> None:
    """Chosen: no client says so much of itself; ten megabytes are not read."""
    for size in (MAX_BODY_BYTES + 1, 10 * 1024 * 1024):
        assert_refused(
            register(b" " * size),
            413,
            "invalid_client_metadata",
            "the body is larger than 65536 bytes",
        )


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"client_name": 1}, "client_name is not a string"),
        ({"client_name": ["Claude"]}, "client_name is not a string"),
        ({"client_name": "\ud800"}, "client_name is not Unicode text"),
        ({"scope": ["mcp:read"]}, "scope is not a string"),
        ({"scope": "\udfff"}, "scope is not Unicode text"),
        (
            {"grant_types": "authorization_code"},
            "grant_types is not an array of strings",
        ),
        ({"grant_types": [None]}, "grant_types is not an array of strings"),
        (
            {"grant_types": []},
            "grant_types '' are not supported; authorization_code is",
        ),
        (
            {"grant_types": ["implicit"]},
            "grant_types 'implicit' are not supported; authorization_code is",
        ),
        (
            {"grant_types": ["client_credentials", "refresh_token"]},
            "grant_types 'client_credentials refresh_token' are not supported; "
            "authorization_code is",
        ),
        (
            {"response_types": ["token"]},
            "response_types 'token' are not supported; code is",
        ),
        ({"response_types": {}}, "response_types is not an array of strings"),
        (
            {"token_endpoint_auth_method": "private_key_jwt"},
            "token_endpoint_auth_method 'private_key_jwt' is not supported; supported: "
            "none, client_secret_basic, client_secret_post",
        ),
        (
            {"token_endpoint_auth_method": "\u202e\ud800"},
            "token_endpoint_auth_method is not Unicode text",
        ),
        (
            {"application_type": "w\u00e9b"},
            "application_type 'w\\xe9b' is not supported; supported: native, web",
        ),
        (
            {"redirect_uris": "https://claude.ai/"},
            "redirect_uris is not an array of strings",
        ),
        ({"redirect_uris": [7]}, "redirect_uris is not an array of strings"),
    ],
)
def test_wrong_metadata_is_refused(change: dict[str, Any], description: str) -> None:
    """Spec: RFC 7591, section 3.2.2, "invalid_client_metadata"."""
    response = register({**CLAUDE, **change})
    assert_refused(response, 400, "invalid_client_metadata", description)
    assert not applications().exists()


NOT_LOOPBACK = "http is for programs on the user's own machine; use https"


@pytest.mark.parametrize(
    ("uris", "description"),
    [
        (None, "redirect_uris is missing"),
        ([], "redirect_uris is missing"),
        (
            [f"https://app.example/{n}" for n in range(21)],
            "redirect_uris are more than 20",
        ),
        (
            ["http://app.example/cb"],
            f"redirect URI 'http://app.example/cb' is not allowed: {NOT_LOOPBACK}",
        ),
        (
            [*CLAUDE["redirect_uris"], "http://10.0.0.1/cb"],
            f"redirect URI 'http://10.0.0.1/cb' is not allowed: {NOT_LOOPBACK}",
        ),
        (
            ["https://claude.ai/cb https://evil.example/cb"],
            "redirect URI 'https://claude.ai/cb https://evil.example/cb' cannot be "
            "taken: it has blanks or other characters that no URI has",
        ),
        (
            ["steam://run/1"],
            "redirect URI 'steam://run/1' is not allowed: this site allows no scheme "
            "'steam'",
        ),
        (
            ["javascript:/x"],
            "redirect URI 'javascript:/x' is not allowed: this site allows no scheme "
            "'javascript'",
        ),
        (
            ["https://app.example/#\ud800"],
            "redirect URI 'https://app.example/#\\ud800' cannot be taken: it has "
            "blanks or other characters that no URI has",
        ),
    ],
)
def test_redirect_uris_that_are_not_allowed_are_refused(
    uris: list[str] | None, description: str
) -> None:
    """Spec: RFC 7591, section 3.2.2, "invalid_redirect_uri"."""
    response = register({**CLAUDE, "redirect_uris": uris})
    assert_refused(response, 400, "invalid_redirect_uri", description)
    assert not applications().exists()


def test_dangerous_schemes_are_refused_also_where_they_are_listed(
    settings: Settings,
) -> None:
    """Chosen: such a redirect would run in the browser."""
    settings.OAUTH2_PROVIDER = oauth2_provider(
        ALLOWED_REDIRECT_URI_SCHEMES=["https", "javascript", "Zed"]
    )

    assert register({**CLAUDE, "redirect_uris": ["zed://oauth"]}).status_code == 201
    refused = register({**CLAUDE, "redirect_uris": ["javascript:/x"]})
    assert refused.json()["error"] == "invalid_redirect_uri"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  My \n client\t\u2028 ", "My client"),
        ("Claude\u202e\u200b\x00\x1b[31m", "Claude[31m"),
        ("cafe\u0301", "caf\u00e9"),
        ("x" * 5000, "x" * 100),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_names_are_kept_as_what_people_see(name: str, shown: str) -> None:
    """Spec: RFC 7591, section 5, on names that mislead."""
    assert register({**CLAUDE, "client_name": name}).json()["client_name"] == shown
    assert applications().get().name == shown


@pytest.mark.parametrize("name", [None, "", "\u200b", " \n"])
def test_name_may_be_missing(name: str | None) -> None:
    """Spec: RFC 7591, section 2, "client_name"."""
    answer = register({**CLAUDE, "client_name": name})
    assert answer.status_code == 201
    assert "client_name" not in answer.json()


# The policy -----------------------------------------------------------------------


class OnlyOurs(ClientPolicy):
    """Lets in programs on one domain."""

    hosts = (".ours.example",)


KNOWN = "mcp_django.oauth.authorization_server.policies.KnownClientsPolicy"
HERE = "tests.oauth.authorization_server.test_registration"


@pytest.mark.parametrize(
    ("policy", "uri", "is_allowed"),
    [
        (KNOWN, "https://claude.ai/api/mcp/auth_callback", True),
        (KNOWN, "https://chatgpt.com/connector_platform_oauth_redirect", True),
        (KNOWN, "http://localhost:3000/", True),
        (KNOWN, "cursor://anysphere.cursor-mcp/oauth/callback", True),
        (KNOWN, "https://evil.example/", False),
        (KNOWN, "https://claude.ai.evil.example/", False),
        (f"{HERE}.OnlyOurs", "https://agents.ours.example/cb", True),
        (f"{HERE}.OnlyOurs", "https://ours.example/cb", True),
        (f"{HERE}.OnlyOurs", "https://notours.example/cb", False),
        (f"{HERE}.OnlyOurs", "https://claude.ai/cb", False),
    ],
)
def test_policy_says_which_hosts_users_may_be_sent_to(
    policy: str, uri: str, is_allowed: bool, settings: Settings
) -> None:
    """Chosen: a class that MCP["CLIENT_POLICY"] names."""
    settings.MCP = {"CLIENT_POLICY": policy}
    response = register({**CLAUDE, "redirect_uris": [uri]})
    assert response.status_code == (201 if is_allowed else 400)


# Floods ---------------------------------------------------------------------------


class Few(ClientPolicy):
    """Keeps three clients, and takes four a minute from each source."""

    clients_per_minute = 4
    max_unused_clients = 3
    unused_client_seconds = 3600


class Countless(Few):
    """Keeps three clients, and does not count the sources."""

    def source_of(self, request: HttpRequest, metadata: ClientMetadata) -> str:
        """Say that each client comes from elsewhere."""
        return metadata.name


def named(name: str) -> dict[str, Any]:
    """Give the metadata of another program."""
    return {**CLAUDE, "client_name": name}


def make_older(**how: float) -> None:
    """Let all clients be registered so much earlier."""
    for row in applications():
        earlier = row.created - datetime.timedelta(**how)
        applications().filter(pk=row.pk).update(created=earlier)


@pytest.fixture
def few(settings: Settings) -> None:
    """Have little room, and no bound on sources."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.Countless"}


def test_flood_from_one_source_is_refused_until_the_minute_is_over(
    settings: Settings,
) -> None:
    """Spec: RFC 6585, section 4."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.Few"}
    make = [register(named(f"a{n}")) for n in range(3)]
    make_older(hours=2)
    make.append(register(named("a3")))
    assert [response.status_code for response in make] == [201] * 4

    refused = register(named("b"))

    assert_refused(
        refused,
        429,
        "temporarily_unavailable",
        "too many programs have registered from there; try again in a minute",
    )
    assert 1 <= int(refused["Retry-After"]) <= 60
    # Who says the same as before makes no new client.
    assert register(named("a3")).status_code == 201


def test_sources_are_counted_each_for_itself(settings: Settings) -> None:
    """Chosen: a flood from one network does not stop others."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.Few"}

    def status(name: str, address: str, uri: str = "https://app.example/") -> int:
        make_older(hours=2)
        body = {**named(name), "redirect_uris": [uri]}
        return (
            Client()
            .post(PATH, body, "application/json", REMOTE_ADDR=address)
            .status_code
        )

    assert [status(f"a{n}", "192.0.2.1") for n in range(5)] == [201] * 4 + [429]
    assert status("b", "192.0.2.2") == 201
    # A hosted client's registrations count for its host from that network.
    hosted = "https://chatgpt.com/connector/oauth/abc"
    assert status("c", "192.0.2.1", hosted) == 201
    # What one site has of IPv6 is one source.
    of_site = [status(f"d{n}", f"2001:db8:0:1::{n}") for n in range(5)]
    assert of_site == [201] * 4 + [429]
    assert status("e", "2001:db8:0:2::1") == 201


def test_same_client_as_often_as_it_likes(settings: Settings) -> None:
    """Chosen: all users of a hosted client come from few addresses."""
    settings.MCP = {"CLIENT_POLICY": f"{HERE}.Few"}
    assert {register(CLAUDE).status_code for _ in range(50)} == {201}
    assert applications().count() == 1


@pytest.mark.usefixtures("few")
def test_oldest_unused_client_makes_way() -> None:
    """Chosen: the table stays bounded, and new programs can register."""
    for name in "abc":
        register(named(name))
        make_older(hours=2)

    assert register(named("d")).status_code == 201
    assert [row.name for row in applications()] == ["b", "c", "d"]


@pytest.mark.usefixtures("few")
def test_clients_whose_users_may_just_log_in_do_not_make_way() -> None:
    """Chosen: a flood does not push out who came a minute before."""
    for name in "abc":
        assert register(named(name)).status_code == 201
    make_older(minutes=30)

    refused = register(named("d"))

    assert_refused(
        refused,
        429,
        "temporarily_unavailable",
        "too many programs have registered in the last time; try again later",
    )
    assert 1700 < int(refused["Retry-After"]) <= 1800
    assert [row.name for row in applications()] == ["a", "b", "c"]


@pytest.mark.usefixtures("few")
def test_used_clients_neither_count_nor_make_way(django_user_model: Any) -> None:
    """Chosen: whom a user has let in stays, however many others come."""
    user = django_user_model.objects.create_user("reader")
    for name in ("with token", "with consent"):
        register(named(name))
    with_token, with_consent = applications()
    get_access_token_model().objects.create(
        user=user, application=with_token, expires=timezone.now(), token="t"
    )
    Consent.objects.create(user=user, client_id=with_consent.client_id, resource="r")
    make_older(hours=5)

    for name in "abcd":
        assert register(named(name)).status_code == 201
        make_older(hours=2)

    assert [row.name for row in applications()] == [
        "with token",
        "with consent",
        "b",
        "c",
        "d",
    ]


@pytest.mark.usefixtures("few")
def test_clients_of_administrators_neither_count_nor_make_way() -> None:
    """Chosen: they were not there by themselves."""
    manual = get_application_model().objects.create(name="ours", client_type="public")
    make_older(hours=5)
    for name in "abcd":
        assert register(named(name)).status_code == 201
        make_older(hours=2)
    assert applications().first() == manual
    assert applications().count() == 4


def test_cache_that_is_away_lets_programs_in(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the table is bounded by itself."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert register(CLAUDE).status_code == 201
    assert "cannot count clients that register" in caplog.text
