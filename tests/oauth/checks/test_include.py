"""Whether clients reach the URLs of OAuth: what the checks say."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.checks import CheckMessage
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from pytest_django import Settings

from mcp_django import Server
from mcp_django.oauth.checks.include import check_include
from tests.oauth.urlconfs import root_urlconf

INCLUDED = path("", include("mcp_django.oauth.urls"))
TOOLKIT = path("", include("oauth2_provider.urls", namespace="oauth2_provider"))
LINE = 'path("", include("mcp_django.oauth.urls"))'


def own_page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Answer whatever comes."""
    return HttpResponse()


def said_of(*patterns: Any) -> list[CheckMessage]:
    """Give what is said of a URLconf that has an endpoint, too."""
    with root_urlconf(*patterns, *Server("shop").urls("mcp")):
        return check_include()


@pytest.mark.parametrize(
    "patterns",
    [
        [INCLUDED],
        [path("", include([INCLUDED]))],
        [INCLUDED, TOOLKIT],
        [
            path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
            INCLUDED,
        ],
        [path(".well-known/security.txt", own_page), INCLUDED],
        [INCLUDED, *i18n_patterns(*Server("languages").urls("in"))],
        [INCLUDED, path("<slug:shop>/", include(Server("shops").urls("in")))],
    ],
)
def test_include_that_works_is_not_talked_about(patterns: list[Any]) -> None:
    """Chosen: wherever it stands, as long as nothing takes its paths."""
    assert said_of(*patterns) == []


def test_include_that_is_missing_is_an_error() -> None:
    """Chosen: no client would find out where to log in."""
    [message] = said_of(path("", include("mcp_django.urls")))

    assert (message.id, message.hint) == (
        "mcp_django.E100",
        f"Put {LINE} at the beginning of urlpatterns.",
    )
    assert message.msg == (
        "'tests.oauth.urls_made_here' does not include 'mcp_django.oauth.urls', so "
        "clients do not find out where their users log in."
    )


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (path("api/", include([INCLUDED])), "'api/'"),
        (path("api/", include("mcp_django.oauth.urls")), "'api/'"),
        (i18n_patterns(INCLUDED)[0], "'en-us/'"),
    ],
)
def test_include_below_the_root_is_an_error(pattern: Any, shown: str) -> None:
    """Spec: RFC 8615, section 3: well-known paths are at the root."""
    [message] = said_of(pattern)

    assert message.id == "mcp_django.E101"
    assert message.msg == (
        f"'mcp_django.oauth.urls' is included below {shown}, but clients look at the "
        "root of the site."
    )


@pytest.mark.parametrize(
    ("first", "taker", "paths"),
    [
        (
            TOOLKIT,
            "oauth2_provider.views.metadata.OAuthProtectedResourceMetadataView",
            [
                "'/.well-known/oauth-protected-resource/mcp'",
                "'/.well-known/oauth-protected-resource'",
                "'/.well-known/oauth-authorization-server'",
            ],
        ),
        (
            re_path("(?P<rest>.*)", own_page),
            f"{__name__}.own_page",
            ["'/.well-known/oauth-protected-resource/mcp/sse'"],
        ),
    ],
)
def test_views_before_ours_are_an_error(
    first: Any, taker: str, paths: list[str]
) -> None:
    """Chosen: such as those of django-oauth-toolkit, which reflect any path."""
    said = said_of(first, INCLUDED)
    message = said[0]

    assert message.id == "mcp_django.E102"
    assert message.msg.startswith(f"{taker} answers at ")
    assert message.msg.endswith(", before 'mcp_django.oauth.urls'.")
    assert all(shown in " ".join(each.msg for each in said) for shown in paths)
    assert LINE in (message.hint or "")


def test_project_without_endpoints_is_not_talked_about() -> None:
    """Chosen: it uses OAuth for something else."""
    with root_urlconf(path("", own_page)):
        assert check_include() == []


def test_urlconf_that_cannot_be_read_is_djangos_business(settings: Settings) -> None:
    """Chosen: no check ever raises."""
    settings.ROOT_URLCONF = "mcp_django.nowhere.urls"

    assert check_include() == []
