"""From paths to endpoints."""

from __future__ import annotations

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.utils import translation
from pytest_django import Settings

from mcp_django.server.routes import all_endpoints, endpoint_at, path_info_of
from tests.converted_urls import open_houses
from tests.site.mcp import server


@pytest.mark.parametrize(
    ("path", "binding"),
    [
        ("/mcp/sse", "sse"),
        ("/mcp/messages", "messages"),
        ("/under/a/tree/tools/sse", "sse"),
        ("/under/a/tree/tools/messages", "messages"),
    ],
)
def test_endpoint_is_found_where_the_urlconf_has_it(path: str, binding: str) -> None:
    """Chosen: one URLconf for both ways in."""
    endpoint = endpoint_at(path)

    assert endpoint is not None
    assert (endpoint.server, endpoint.binding) == (server, binding)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "mcp/sse",
        "/mcp//",
        "/mcp/sse/",
        "/MCP/sse",
        "//mcp/sse",
        "/mcp/sse\n",
        "/mcp/\r\nsse",
        "/mcp/sse\0",
        "/under/a/no slug/tools/sse",
        "/admin/",
        "/\ud800",
    ],
)
def test_other_paths_have_none(path: str) -> None:
    """Chosen: they go on to Django."""
    assert endpoint_at(path) is None


def test_another_urlconf_may_be_asked() -> None:
    """Chosen: a project may have several."""
    assert endpoint_at("/mcp/sse", "tests.conformance.urls") is not None
    assert endpoint_at("/under/a/tree/tools/sse", "tests.conformance.urls") is None


def test_change_of_the_urlconf_is_noticed(settings: Settings) -> None:
    """Chosen: for tests that override ROOT_URLCONF."""
    before = endpoint_at("/mcp/sse")
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    assert endpoint_at("/mcp/sse") is None
    settings.ROOT_URLCONF = "tests.urls"

    assert endpoint_at("/mcp/sse") is before


@pytest.mark.parametrize(
    ("path", "root_path", "path_info"),
    [
        ("/mcp/sse", "", "/mcp/sse"),
        ("/app/mcp/sse", "/app", "/mcp/sse"),
        ("/mcp/sse", "/app", "/mcp/sse"),
        ("/mcp/sse", "/mcp/sse", ""),
        ("/mcp/sse", "/", "mcp/sse"),
        ("/mcp/sse", "\r\n", "/mcp/sse"),
    ],
)
def test_path_is_split_as_django_does(
    path: str, root_path: str, path_info: str
) -> None:
    """Chosen: also where a client made the root path up."""
    assert path_info_of({"path": path, "root_path": root_path}) == path_info


def test_forced_script_name_outranks_the_root_path(settings: Settings) -> None:
    """Chosen: as Django does."""
    settings.FORCE_SCRIPT_NAME = "/forced"

    scope = {"path": "/forced/mcp/sse", "root_path": "/other"}
    assert path_info_of(scope) == "/mcp/sse"


def test_scope_without_root_path_is_split_too() -> None:
    """Spec: ASGI HTTP: root_path is optional."""
    assert path_info_of({"path": "/mcp/sse"}) == "/mcp/sse"


def test_every_endpoint_of_the_urlconf_is_given() -> None:
    """Chosen: also below `include`, in the order of the patterns."""
    endpoints = all_endpoints()

    bindings = [endpoint.binding for endpoint in endpoints]
    assert bindings == ["mcp", "mcp", "sse", "messages"] * 2
    assert {endpoint.server for endpoint in endpoints} == {server}


# By more than the path ----------------------------------------------------------------

TRANSLATED = "tests.translated_urls"


@pytest.fixture
def languages(settings: Settings) -> None:
    """Have a site in three languages."""
    settings.LANGUAGE_CODE = "en"
    settings.LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]
    settings.ROOT_URLCONF = TRANSLATED


@pytest.mark.usefixtures("languages")
@pytest.mark.parametrize("active", ["en", "de", "fr", None])
@pytest.mark.parametrize(
    ("path", "is_endpoint"),
    [
        ("/en/mcp", True),
        ("/de/mcp", True),
        ("/de/mcp/", True),
        ("/fr/mcp/sse", True),
        ("/de/Montag/mcp", True),
        ("/fr/lundi/mcp", True),
        ("/en/Monday/mcp", True),
        ("/de/Monday/mcp", False),
        ("/en/Montag/mcp", False),
        ("/it/mcp", False),
        ("/mcp", False),
        ("/de", False),
        ("/de/", False),
        ("/Tuesday/mcp", True),
        ("/Dienstag/mcp", True),
        ("/mardi/mcp", True),
        ("/martedi/mcp", False),
    ],
)
def test_path_leads_to_the_same_endpoint_whatever_language_is_active(
    path: str, is_endpoint: bool, active: str | None
) -> None:
    """Chosen: the path says its language, as for `LocaleMiddleware`; also the answer
    that is kept is the same for all."""
    with translation.override(active):
        first = endpoint_at(path)
    with translation.override("de"):
        second = endpoint_at(path)

    assert (first is not None) == is_endpoint
    assert second is first


@pytest.mark.usefixtures("languages")
def test_search_for_an_endpoint_leaves_the_active_language_alone() -> None:
    """Chosen: middleware asks while a page is made."""
    with translation.override("fr"):
        endpoint_at("/de/mcp")
        assert translation.get_language() == "fr"


UNPREFIXED = i18n_patterns(*server.urls("mcp"), prefix_default_language=False)


@pytest.mark.usefixtures("languages")
@pytest.mark.parametrize(
    ("path", "is_endpoint"),
    [("/mcp", True), ("/de/mcp", True), ("/en/mcp", False), ("/xx/mcp", False)],
)
def test_default_language_may_have_no_prefix(path: str, is_endpoint: bool) -> None:
    """Chosen: as for `LocaleMiddleware`."""
    for active in ("de", "en"):
        with translation.override(active):
            found = endpoint_at(path, tuple(UNPREFIXED))
        assert (found is not None) == is_endpoint


@pytest.mark.usefixtures("languages")
def test_change_of_the_languages_is_noticed(settings: Settings) -> None:
    """Chosen: for tests that override LANGUAGES."""
    assert endpoint_at("/de/mcp") is not None
    settings.LANGUAGES = [("en", "English")]

    assert endpoint_at("/de/mcp") is None


def test_what_a_converter_of_the_project_says_is_not_kept() -> None:
    """Chosen: it may look at what changes."""
    urlconf = "tests.converted_urls"
    assert endpoint_at("/tea/mcp", urlconf) is None
    open_houses.add("tea")
    try:
        assert endpoint_at("/tea/mcp", urlconf) is not None
    finally:
        open_houses.clear()

    assert endpoint_at("/tea/mcp", urlconf) is None
