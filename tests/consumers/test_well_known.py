"""What clients get that look for OAuth, on both ways in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path
from pytest_django import Settings

from mcp_django import Server
from mcp_django.asgi import MCPRouter, get_asgi_application
from mcp_django.consumers.applications import Application
from mcp_django.server.well_known import Place, documents
from tests.consumers.connections import Response, request

SENTENCE = "This site has no OAuth; ask its administrator for a token"
NOT_HERE = "There is nothing here; the 401 of an MCP endpoint says where to log in"
APP = "https://app.example"
METADATA = [
    "oauth-protected-resource",
    "oauth-authorization-server",
    "openid-configuration",
]
JSON = {"content-type": "application/json"}


@pytest.fixture(autouse=True)
def no_documents() -> Iterator[None]:
    """Have no app that has documents."""
    before = dict(documents)
    documents.clear()
    yield
    documents.clear()
    documents.update(before)


@pytest.fixture(params=["router", "urlconf"])
def site(request: pytest.FixtureRequest, settings: Settings) -> Application:
    """Give the test project as an application, with our router and without."""
    if request.param == "router":
        return get_asgi_application().__call__
    settings.ROOT_URLCONF = "tests.urls_without_oauth"
    return ASGIHandler().__call__


def assert_no_oauth(response: Response, description: str = SENTENCE) -> None:
    """Fail unless a response is the JSON that clients understand."""
    assert response.status == 404
    assert response.header("content-type") == "application/json"
    assert response.header("cache-control") == "no-store"
    assert response.json() == {"error": "not_found", "error_description": description}


def assert_untouched(response: Response) -> None:
    """Fail unless a response is the site's own page for what it does not have."""
    assert response.status == 404
    assert (response.header("content-type") or "").startswith("text/html")


PLACES = [
    place
    for name in METADATA
    for place in (
        f"/.well-known/{name}",
        f"/.well-known/{name}/",
        f"/.well-known/{name}/mcp",
        f"/.well-known/{name}/mcp/",
        f"/.well-known/{name}/mcp/sse",
        f"/.well-known/{name}/under/a/shop/tools",
        f"/.well-known/{name}/elsewhere",
        f"/.well-known/{name}/mcp/elsewhere/",
        f"/mcp/.well-known/{name}",
        f"/under/a/shop/tools/.well-known/{name}",
    )
]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("place", PLACES)
async def test_metadata_is_said_not_to_be_there(
    site: Application, settings: Settings, place: str, debug: bool
) -> None:
    """Chosen: also under DEBUG, where Django would show the whole URLconf."""
    settings.DEBUG = debug

    assert_no_oauth(await request(site, "GET", place))


@pytest.mark.parametrize("place", ["/register", "/register/"])
async def test_registration_is_said_not_to_be_there(
    site: Application, place: str
) -> None:
    """Chosen: the first thing that clients without metadata try."""
    for content_type in ("application/json", "Application/JSON; charset=utf-8"):
        headers = {"content-type": content_type}
        assert_no_oauth(await request(site, "POST", place, headers=headers, body=b"{}"))


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "/register", {}),
        ("GET", "/register", JSON),
        ("POST", "/register", {"content-type": "application/x-www-form-urlencoded"}),
        ("GET", "/register/", JSON),
        ("POST", "/register//", JSON),
        ("POST", "/mcp/register", JSON),
        ("POST", "/mcp/register/", JSON),
        ("POST", "/unregister", JSON),
        ("GET", "/.well-known/oauth-protected-resources", {}),
        ("GET", "/.well-known/security.txt", {}),
        ("GET", "/elsewhere/.well-known/openid-configuration", {}),
        ("GET", "/mcp/.well-known/openid-configuration/mcp", {}),
        ("GET", "/well-known/openid-configuration", {}),
        ("GET", "/authorize", {}),
    ],
)
async def test_all_else_stays_as_the_site_has_it(
    site: Application, method: str, url: str, headers: dict[str, str]
) -> None:
    """Chosen: only what clients of MCP look for is ours."""
    assert_untouched(await request(site, method, url, headers=headers))


@pytest.mark.parametrize(
    "place",
    [
        "/.well-known/oauth-protected-resource/app/mcp",
        "/.well-known/oauth-protected-resource",
        "/app/.well-known/oauth-protected-resource",
        "/app/.well-known/oauth-protected-resource/mcp",
        "/app/mcp/.well-known/openid-configuration",
    ],
)
@pytest.mark.parametrize("forced", [True, False])
async def test_script_name_is_a_part_of_the_endpoints_path(
    site: Application, settings: Settings, place: str, forced: bool
) -> None:
    """Spec: RFC 9728, 3.1: the path that the user typed; the site's root is above."""
    if forced:
        settings.FORCE_SCRIPT_NAME = "/app"
    root_path: Any = "" if forced else "/app"

    assert_no_oauth(await request(site, "GET", place, root_path=root_path))


async def test_whoever_wants_the_head_alone_gets_it(site: Application) -> None:
    """Chosen: as of any other page."""
    response = await request(site, "HEAD", "/.well-known/openid-configuration")

    assert (response.status, response.header("content-type")) == (
        404,
        JSON["content-type"],
    )


# CORS ---------------------------------------------------------------------------


@pytest.mark.parametrize("with_middleware", [True, False])
@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", "/.well-known/oauth-protected-resource/mcp"), ("POST", "/register")],
)
async def test_pages_of_every_origin_may_look(
    settings: Settings, request_site: Any, method: str, url: str, with_middleware: bool
) -> None:
    """Spec: Fetch, "CORS protocol": clients in browsers add a header of MCP's. Chosen:
    what is public may be read by all, without cookies."""
    settings.MCP = {"ALLOWED_ORIGINS": [APP]}
    if not with_middleware:
        settings.MIDDLEWARE = []
    asked = {"access-control-request-method": method}
    for origin in (APP, "https://elsewhere.example"):
        headers = {"origin": origin}
        preflight = await request_site("OPTIONS", url, headers=headers | asked)
        response = await request_site(method, url, headers=headers | JSON)

        assert (preflight.status, preflight.body) == (200, b"")
        assert preflight.header("access-control-allow-methods") == method
        names = preflight.header("access-control-allow-headers") or ""
        assert "mcp-protocol-version" in names
        assert_no_oauth(response)
        for each in (preflight, response):
            assert each.header("access-control-allow-origin") == "*"
            assert each.header("access-control-allow-credentials") is None


@pytest.fixture(params=["router", "urlconf"])
def request_site(request: pytest.FixtureRequest, settings: Settings) -> Any:
    """Give what sends a request to the project as it is set up then."""

    async def send(method: str, url: str, **options: Any) -> Response:
        if request.param == "router":
            application = get_asgi_application().__call__
        else:
            settings.ROOT_URLCONF = "tests.urls_without_oauth"
            application = ASGIHandler().__call__
        return await send_request(application, method, url, **options)

    return send


send_request = request


# What the project has -----------------------------------------------------------


def own_page(request: HttpRequest) -> HttpResponse:
    """Show a page of the project's own."""
    return HttpResponse("our own", content_type="text/html")


def own_json_404(request: HttpRequest) -> HttpResponse:
    """Say in the project's own words that something is missing."""
    return JsonResponse("our own", status=404, safe=False)


def catch_all(request: HttpRequest, rest: str) -> HttpResponse:
    """Look for a page, such as flat pages do, and find none."""
    raise Http404(rest)


@pytest.fixture
def urlconf(settings: Settings) -> Iterator[list[Any]]:
    """Give URL patterns to fill, which come before our own."""
    patterns: list[Any] = []
    module = ModuleType("tests.urls_made_here")
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("", include(patterns)),
        *Server("made-here").urls("mcp"),
        path("", include("mcp_django.urls")),
    ]
    sys.modules[module.__name__] = module
    yield patterns
    del sys.modules[module.__name__]


WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    ("route", "view", "method", "url", "shown"),
    [
        (WELL_KNOWN[1:], own_page, "GET", WELL_KNOWN, (200, b"our own")),
        (
            WELL_KNOWN[1:],
            own_json_404,
            "GET",
            WELL_KNOWN,
            (404, b'"our own"'),
        ),
        ("register", own_page, "GET", "/register", (200, b"our own")),
        ("register", own_page, "OPTIONS", "/register", (200, b"our own")),
        (f"{WELL_KNOWN[1:]}/", own_page, "GET", WELL_KNOWN, (301, b"")),
        ("register/", own_page, "GET", "/register", (301, b"")),
    ],
)
async def test_what_the_project_has_goes_first(
    settings: Settings,
    urlconf: list[Any],
    route: str,
    view: Any,
    method: str,
    url: str,
    shown: tuple[int, bytes],
) -> None:
    """Chosen: also where `APPEND_SLASH` leads to it."""
    urlconf.append(path(route, view))
    settings.ROOT_URLCONF = "tests.urls_made_here"

    for site in (get_asgi_application().__call__, ASGIHandler().__call__):
        response = await request(site, method, url)
        assert (response.status, response.body) == shown


@pytest.mark.parametrize("debug", [True, False])
async def test_registration_beside_a_form_for_people_is_answered(
    settings: Settings, urlconf: list[Any], debug: bool
) -> None:
    """Chosen: `APPEND_SLASH` would lead the client to the form, or fail in DEBUG."""
    urlconf.append(path("register/", own_page))
    settings.ROOT_URLCONF = "tests.urls_made_here"
    settings.DEBUG = debug

    for site in (get_asgi_application().__call__, ASGIHandler().__call__):
        assert_no_oauth(await request(site, "POST", "/register", headers=JSON))
        own = await request(site, "POST", "/register/", headers=JSON)
        assert own.status == 403  # Django's, for the form lacks its CSRF token.
        form = await request(site, "GET", "/register?next=/a")
        assert form.status == 301
        assert form.header("location") == "/register/?next=/a"


async def test_site_that_wants_a_login_everywhere_answers_too(
    settings: Settings, site: Application
) -> None:
    """Chosen: a program cannot follow a redirect to a form."""
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]

    assert_no_oauth(await request(site, "GET", WELL_KNOWN))


async def test_middleware_of_the_project_goes_first(
    settings: Settings, urlconf: list[Any]
) -> None:
    """Chosen: it may have an answer for paths that no view has."""
    settings.ROOT_URLCONF = "tests.urls_made_here"
    settings.MIDDLEWARE = [f"{__name__}.answer_all"]

    for url in (WELL_KNOWN, "/register"):
        response = await request(
            get_asgi_application().__call__, "POST", url, headers=JSON
        )
        assert (response.status, response.body) == (200, b"our own")


def answer_all(get_response: Any) -> Any:
    """Answer before anything else does."""
    return own_page


async def test_registration_at_the_projects_own_page_stays_its_business(
    settings: Settings, urlconf: list[Any]
) -> None:
    """Chosen: our CORS does not open what others have there."""
    urlconf.append(path("register", own_page))
    settings.ROOT_URLCONF = "tests.urls_made_here"
    settings.MCP = {"ALLOWED_ORIGINS": [APP]}
    headers = {"origin": APP, "access-control-request-method": "POST"}

    for site in (get_asgi_application().__call__, ASGIHandler().__call__):
        response = await request(site, "OPTIONS", "/register", headers=headers)
        assert response.header("access-control-allow-origin") is None


async def test_page_that_a_view_does_not_find_is_answered_too(
    settings: Settings, urlconf: list[Any]
) -> None:
    """Chosen: sites with flat pages have a view for every path."""
    urlconf.append(path("<path:rest>", catch_all))
    settings.ROOT_URLCONF = "tests.urls_made_here"

    assert_no_oauth(await request(get_asgi_application().__call__, "GET", WELL_KNOWN))


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_own_404_of_any_application_behind_is_answered(content_type: str) -> None:
    """Chosen: sites of JSON have a `handler404` for it, and no view."""

    async def rest(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Type", content_type.encode())]
        start = {"type": "http.response.start", "status": 404, "headers": headers}
        await send(start)
        for more_body in (True, False):
            chunk = {
                "type": "http.response.body",
                "body": b"{}",
                "more_body": more_body,
            }
            await send(chunk)

    assert_no_oauth(await request(MCPRouter(rest).__call__, "GET", WELL_KNOWN))


async def test_path_of_very_many_places_is_none(site: Application) -> None:
    """Chosen: whoever sends it must not make the site fail."""
    assert_no_oauth(await request(site, "GET", WELL_KNOWN * 500))
    assert_untouched(await request(site, "GET", "/elsewhere" + WELL_KNOWN * 500))


async def test_site_without_endpoints_is_left_alone(settings: Settings) -> None:
    """Chosen: nobody looks for their OAuth."""
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    site = get_asgi_application().__call__

    for url in (WELL_KNOWN, f"{WELL_KNOWN}/mcp"):
        assert_untouched(await request(site, "GET", url))
    assert_untouched(await request(site, "POST", "/register", headers=JSON))


# Documents ------------------------------------------------------------------------


@pytest.fixture
def described(no_documents: None) -> None:
    """Have a document of each endpoint, such as an optional app has."""
    documents["oauth-protected-resource"] = describe
    documents["mcp-card"] = describe


def describe(request: HttpRequest, place: Place) -> HttpResponse | None:
    """Name the endpoint that is asked of; of the root only if asked for a card."""
    if place.endpoint is None and place.name != "mcp-card":
        return None
    if place.path.endswith("sse"):
        raise LookupError("no document for that")
    name = place.endpoint and place.endpoint.server.name
    return JsonResponse(
        {"resource": request.build_absolute_uri(place.path), "of": name}
    )


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("/.well-known/oauth-protected-resource/mcp", "/mcp"),
        ("/.well-known/oauth-protected-resource/mcp/", "/mcp/"),
        ("/mcp/.well-known/mcp-card", "/mcp"),
        ("/.well-known/mcp-card/under/a/shop/tools", "/under/a/shop/tools"),
    ],
)
async def test_document_of_an_endpoint_is_given(
    site: Application, place: str, path: str
) -> None:
    """Spec: RFC 9728, 3.1. Chosen: on both ways in, by whatever name an app chose."""
    response = await request(site, "GET", place)

    assert response.status == 200
    assert response.json() == {
        "resource": f"http://testserver{path}",
        "of": "site",
    }


@pytest.mark.usefixtures("described")
async def test_document_of_the_whole_site_is_given(site: Application) -> None:
    """Spec: RFC 8615, section 3. Chosen: the document may say that there is none."""
    card = await request(site, "GET", "/.well-known/mcp-card")
    assert (card.status, card.json()["of"]) == (200, None)

    for place in (WELL_KNOWN, "/.well-known/openid-configuration"):
        assert_no_oauth(await request(site, "GET", place), NOT_HERE)
    assert_untouched(await request(site, "GET", "/.well-known/mcp-card/elsewhere"))


@pytest.mark.usefixtures("described")
async def test_document_is_only_read(site: Application) -> None:
    """Chosen: what else a client does there has no answer."""
    response = await request(site, "POST", f"{WELL_KNOWN}/mcp", headers=JSON)
    assert_no_oauth(response, NOT_HERE)


@pytest.mark.usefixtures("described")
async def test_document_that_fails_is_500_in_json(
    site: Application, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: clients read JSON, and the site reads the log."""
    response = await request(site, "GET", f"{WELL_KNOWN}/mcp/sse")

    assert (response.status, response.json()) == (500, {"error": "server_error"})
    [record] = [r for r in caplog.records if r.name == "mcp_django.consumers"]
    assert record.exc_info is not None


@pytest.mark.usefixtures("described")
async def test_pages_of_every_origin_may_read_documents(request_site: Any) -> None:
    """Chosen: clients in browsers read them, too."""
    headers = {"origin": APP}
    response = await request_site("GET", f"{WELL_KNOWN}/mcp", headers=headers)

    assert response.status == 200
    assert response.header("access-control-allow-origin") == "*"


def test_wsgi_answers_too(settings: Settings, client: Client) -> None:
    """Chosen: it is a plain view."""
    settings.ROOT_URLCONF = "tests.urls_without_oauth"

    response = client.get("/.well-known/oauth-protected-resource/mcp")

    assert response.status_code == 404
    assert response.json()["error_description"] == SENTENCE


def test_registration_needs_no_csrf_token(settings: Settings) -> None:
    """Chosen: programs have none."""
    settings.ROOT_URLCONF = "tests.urls_without_oauth"
    client = Client(enforce_csrf_checks=True)

    response = client.post("/register", {}, content_type="application/json")

    assert response.json()["error_description"] == SENTENCE
