"""Where clients read who issues tokens for an endpoint, and who tells them where."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from mcp_django import Server
from mcp_django.asgi import get_asgi_application
from mcp_django.auth.challenge_syntax import parse
from mcp_django.consumers.applications import Application
from tests.consumers.connections import Response, request
from tests.consumers.test_well_known import JSON, NOT_HERE, assert_no_oauth
from tests.oauth.oauth_sites import ISSUER, NAMED, OTHER, SESSIONS, TOKENS
from tests.oauth.urlconfs import root_urlconf

SITE = "http://testserver"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
INCLUDED = path("", include("mcp_django.oauth.urls"))
APP = "https://app.example"


@pytest.fixture(params=["router", "urlconf"])
def site(request: pytest.FixtureRequest) -> Application:
    """Give the project as an application, with our router and without."""
    if request.param == "router":
        return get_asgi_application().__call__
    return ASGIHandler().__call__


@pytest.fixture(autouse=True)
def oauth(settings: Settings) -> None:
    """Take tokens of an issuer, beside our own."""
    settings.MCP = {"AUTHENTICATION": [NAMED, TOKENS]}


def small(name: str = "small", **options: Any) -> Server:
    """Give a server with something to read and something to do."""
    server = Server(name, **options)
    server.tool(read_only=True)(look)
    server.tool(change)
    return server


def look() -> None:
    """Look."""


def change() -> None:
    """Change."""


async def get(site: Application, url: str, **options: Any) -> Response:
    return await request(site, "GET", url, **options)


# Metadata -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "resource"),
    [
        (f"{WELL_KNOWN}/mcp", "/mcp"),
        (f"{WELL_KNOWN}/mcp/", "/mcp/"),
        (f"{WELL_KNOWN}/mcp/sse", "/mcp/sse"),
        (f"{WELL_KNOWN}/under/a/shop/tools", "/under/a/shop/tools"),
        (f"/mcp{WELL_KNOWN}", "/mcp"),
        (f"/mcp/sse{WELL_KNOWN}", "/mcp/sse"),
        (f"/mcp{WELL_KNOWN}/", "/mcp"),
    ],
)
async def test_endpoint_says_who_issues_its_tokens(
    site: Application, place: str, resource: str
) -> None:
    """Spec: RFC 9728, 3.2: `resource` is what the client asked for, to the slash."""
    response = await get(site, place)

    assert response.status == 200
    assert response.header("content-type") == "application/json"
    assert response.json() == {
        "resource": f"{SITE}{resource}",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:read", "mcp:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Test site",
    }


async def test_all_that_is_known_of_a_server_is_said(site: Application) -> None:
    """Spec: RFC 9728, 2. Chosen: the scopes to begin with, which MCP wants there."""
    server = small(
        scopes={"a:b": "Begin", "a:c": "Go on"},
        login_scopes="a:b",
        title=gettext_lazy("Small shop"),
        website_url="https://docs.example",
    )
    with root_urlconf(INCLUDED, *server.urls("mcp")):
        response = await get(site, f"{WELL_KNOWN}/mcp")

    assert response.json() == {
        "resource": f"{SITE}/mcp",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["a:b"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Small shop",
        "resource_documentation": "https://docs.example",
    }


async def test_issuers_of_all_authenticators_are_listed_once(
    site: Application, settings: Settings
) -> None:
    """Spec: RFC 9728, 2. Chosen: in the order in which they are asked."""
    settings.MCP = {"AUTHENTICATION": [TOKENS, OTHER, NAMED]}

    response = await get(site, f"{WELL_KNOWN}/mcp")

    assert response.json()["authorization_servers"] == [
        "https://other.example/tenant",
        ISSUER,
    ]


@pytest.mark.parametrize("authentication", [[], [TOKENS], [SESSIONS]])
async def test_site_that_takes_no_tokens_of_oauth_has_no_metadata(
    site: Application, settings: Settings, authentication: list[str]
) -> None:
    """Chosen: clients fail in worse ways over a document without an issuer."""
    settings.MCP = {"AUTHENTICATION": authentication}

    assert_no_oauth(await get(site, f"{WELL_KNOWN}/mcp"), NOT_HERE)


@pytest.mark.parametrize(
    "place",
    [
        f"{WELL_KNOWN}/mcp/messages",
        f"{WELL_KNOWN}/mcp/elsewhere",
        f"{WELL_KNOWN}/elsewhere",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
    ],
)
async def test_what_there_is_not_is_said_in_json(site: Application, place: str) -> None:
    """Chosen: clients parse it. `/messages` is learned from the stream alone."""
    assert_no_oauth(await get(site, place), NOT_HERE)


async def test_head_and_other_methods(site: Application) -> None:
    """Chosen: a document is only read."""
    head = await request(site, "HEAD", f"{WELL_KNOWN}/mcp")
    assert (head.status, head.header("content-type")) == (200, "application/json")
    for method in ("POST", "PUT", "DELETE"):
        response = await request(site, method, f"{WELL_KNOWN}/mcp", headers=JSON)
        assert_no_oauth(response, NOT_HERE)


# The root form ------------------------------------------------------------------


async def test_root_form_is_that_of_the_only_endpoint(site: Application) -> None:
    """Spec: 2025-11-25 basic/authorization: clients look there at last."""
    with root_urlconf(INCLUDED, *small().urls("mcp")):
        for place in (WELL_KNOWN, f"{WELL_KNOWN}/"):
            assert (await get(site, place)).json()["resource"] == f"{SITE}/mcp"


async def test_root_form_is_that_of_the_endpoint_at_the_root(site: Application) -> None:
    """Spec: RFC 9728, 3.1: its URL has no path to put behind."""
    patterns = (*small("other").urls("other"), *small().urls(""))
    with root_urlconf(INCLUDED, *patterns):
        assert (await get(site, WELL_KNOWN)).json()["resource"] == f"{SITE}/"
        other = await get(site, f"{WELL_KNOWN}/other")
        assert other.json()["resource"] == f"{SITE}/other"


@pytest.mark.parametrize(
    "patterns",
    [
        [*small("a").urls("a"), *small("b").urls("b")],
        [*small().urls("a"), *small().urls("b")],
        [path("<slug:shop>/", include(small().urls("mcp")))],
        i18n_patterns(*small().urls("mcp")),
        i18n_patterns(*small().urls("mcp"), prefix_default_language=False),
    ],
)
async def test_root_form_is_not_there_where_it_could_mean_several(
    site: Application, patterns: list[Any]
) -> None:
    """Chosen: a client must not get a token for another endpoint than it wants."""
    with root_urlconf(INCLUDED, *patterns, LANGUAGES=[("en", "E"), ("de", "D")]):
        assert_no_oauth(await get(site, WELL_KNOWN), NOT_HERE)


async def test_languages_in_paths_have_metadata_each(site: Application) -> None:
    """Chosen: the URL that the user typed."""
    patterns = i18n_patterns(*small().urls("mcp"))
    with root_urlconf(INCLUDED, *patterns, LANGUAGES=[("en", "E"), ("de", "D")]):
        for code in ("en", "de"):
            response = await get(site, f"{WELL_KNOWN}/{code}/mcp")
            assert response.json()["resource"] == f"{SITE}/{code}/mcp"


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize(
    ("place", "resource"),
    [
        (f"{WELL_KNOWN}/app/mcp", "/app/mcp"),
        (f"/app{WELL_KNOWN}/app/mcp/", "/app/mcp/"),
        (f"/app/mcp/sse{WELL_KNOWN}", "/app/mcp/sse"),
    ],
)
async def test_script_name_is_in_the_metadata(
    site: Application, settings: Settings, place: str, resource: str, forced: bool
) -> None:
    """Spec: RFC 9728, 3.1; what the challenge names is below the script name."""
    root_path = "/app"
    if forced:
        settings.FORCE_SCRIPT_NAME, root_path = "/app", ""

    response = await get(site, place, root_path=root_path)

    assert response.json()["resource"] == f"{SITE}{resource}"


async def test_root_form_below_a_script_name_is_that_of_the_site(
    site: Application,
) -> None:
    """Chosen: a script name that is not in the path may be a client's invention."""
    with root_urlconf(INCLUDED, *small().urls("mcp")):
        below = await get(site, f"/app{WELL_KNOWN}", root_path="/app")
        assert below.json()["resource"] == f"{SITE}/app/mcp"
        beside = await get(site, WELL_KNOWN, root_path="/app")
        assert_no_oauth(beside, NOT_HERE)


# The site's name ----------------------------------------------------------------


async def test_public_url_is_the_name_of_the_site(
    site: Application, settings: Settings
) -> None:
    """Chosen: whatever a proxy says."""
    settings.MCP = {
        "AUTHENTICATION": [NAMED],
        "PUBLIC_URL": "https://site.example",
    }

    response = await get(site, f"{WELL_KNOWN}/mcp")
    refused = await request(site, "POST", "/mcp")

    assert response.json()["resource"] == "https://site.example/mcp"
    assert f'resource_metadata="https://site.example{WELL_KNOWN}/mcp"' in (
        refused.header("www-authenticate") or ""
    )


async def test_host_that_is_not_the_sites_is_told_so(
    site: Application, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: also where Django takes every host."""
    settings.ALLOWED_HOSTS = ["*"]
    headers = {"host": "evil.example"}

    response = await get(site, f"{WELL_KNOWN}/mcp", headers=headers)

    assert (response.status, response.json()) == (
        400,
        {"error": "invalid_request", "error_description": "Host not allowed"},
    )
    assert "evil.example" in caplog.text


# CORS ---------------------------------------------------------------------------


async def test_pages_of_every_origin_may_read_it(site: Application) -> None:
    """Spec: Fetch, "CORS protocol": with a header of MCP's, so with a preflight."""
    headers = {"origin": APP}
    asked = {
        "access-control-request-method": "GET",
        "access-control-request-headers": "mcp-protocol-version",
    }
    url = f"{WELL_KNOWN}/mcp"
    preflight = await request(site, "OPTIONS", url, headers=headers | asked)
    response = await get(site, url, headers=headers)

    assert preflight.status == 200
    for each in (preflight, response):
        assert each.header("access-control-allow-origin") == "*"
    allowed = preflight.header("access-control-allow-headers") or ""
    assert "mcp-protocol-version" in allowed
    assert response.json()["resource"] == f"{SITE}/mcp"


# What the project has -----------------------------------------------------------


def own_page(request: HttpRequest) -> HttpResponse:
    """Show a page of the project's own."""
    return HttpResponse("our own", content_type="text/html")


async def test_what_the_project_has_beside_is_left_alone(site: Application) -> None:
    """Chosen: though our URLs are included first."""
    urls = [
        "/.well-known/openid-configuration",
        "/.well-known/security.txt",
        "/register",
        "/elsewhere/",
    ]
    patterns = [path(url[1:], own_page) for url in urls]
    with root_urlconf(INCLUDED, *small().urls("mcp"), *patterns):
        for url in (*urls, "/elsewhere"):
            method, headers = ("POST", JSON) if url == "/register" else ("GET", {})
            with_slash = await request(site, method, url, headers=headers)
            assert with_slash.status in (200, 301, 403)
        assert_no_oauth(
            await get(site, "/.well-known/openid-configuration/mcp"), NOT_HERE
        )


async def test_document_goes_before_that_of_another_app(site: Application) -> None:
    """Chosen: where our URLs are included first, as the check wants it."""
    others = include("oauth2_provider.urls", namespace="oauth2_provider")
    with root_urlconf(INCLUDED, *small().urls("mcp"), path("", others)):
        response = await get(site, f"{WELL_KNOWN}/mcp")
        assert response.json()["authorization_servers"] == [ISSUER]


def test_wsgi_answers_too(client: Client) -> None:
    """Chosen: it is a plain view."""
    response = client.get(f"{WELL_KNOWN}/mcp")

    assert (response.status_code, json.loads(response.content)["resource"]) == (
        200,
        f"{SITE}/mcp",
    )


# Challenges ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "suffix"),
    [
        ("POST", "/mcp", "/mcp"),
        ("GET", "/mcp/", "/mcp/"),
        ("DELETE", "/mcp", "/mcp"),
        ("GET", "/mcp/sse", "/mcp/sse"),
        ("POST", "/mcp/messages?session_id=x", "/mcp/sse"),
    ],
)
@pytest.mark.parametrize("token", [None, "mcp_x", "a.b.c", ""])
async def test_each_refusal_says_where_to_log_in(
    site: Application, method: str, url: str, suffix: str, token: str | None
) -> None:
    """Spec: RFC 9728, 5.1; 2025-11-25 basic/authorization, "Protected Resource
    Metadata Discovery Requirements"."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    with root_urlconf(INCLUDED, *small().urls("mcp")):
        response = await request(site, method, url, headers=headers)

        assert response.status == 401
        [challenge] = parse(response.header("www-authenticate") or "")
        said = dict(challenge.parameters)
        assert said["resource_metadata"] == f'"{SITE}{WELL_KNOWN}{suffix}"'
        assert said["scope"] == '"mcp:read mcp:write"'
        assert ("error" in said) is (token is not None)
        where = said["resource_metadata"].strip('"').removeprefix(SITE)
        described = (await get(site, where)).json()
        assert described["resource"] == f"{SITE}{suffix}"


async def test_nothing_is_said_where_no_token_of_oauth_is_taken(
    settings: Settings,
) -> None:
    """Chosen: a client that finds no issuer fails in worse ways."""
    settings.MCP = {"AUTHENTICATION": [TOKENS]}

    response = await request(get_asgi_application().__call__, "POST", "/mcp")

    assert response.header("www-authenticate") == 'Bearer realm="mcp"'
