"""What is said of settings of django-oauth-toolkit that a project makes by itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.test import modify_settings, override_settings
from django.urls import include, path
from oauth2_provider.settings import DEFAULTS

from mcp_django.oauth.checks.toolkit import check_toolkit
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.urlconfs import root_urlconf
from tests.site.mcp import server

DJANGO = "mcp_django.auth.django_session.SessionAuthenticator"


def said(**changed: Any) -> list[checks.CheckMessage]:
    """Give what is said where some settings are changed."""
    with override_settings(OAUTH2_PROVIDER=oauth2_provider(**changed)):
        return check_toolkit()


def test_nothing_is_said_of_the_preset() -> None:
    assert said() == []


def test_what_is_stricter_is_right_as_well() -> None:
    stricter = {"ACCESS_TOKEN_EXPIRE_SECONDS": 300, "DCR_ENABLED": False}
    assert said(**stricter) == []


BY_DEFAULT = object()
"""The toolkit's own value of a setting."""


@pytest.mark.parametrize(
    ("gap", "changed", "id"),
    [
        (1, {"DCR_ENABLED": BY_DEFAULT, "CIMD_ENABLED": BY_DEFAULT}, "W112"),
        (2, {"OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": BY_DEFAULT}, "W113"),
        (2, {"COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": BY_DEFAULT}, "W113"),
        (2, {"COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": BY_DEFAULT}, "W113"),
        (2, {"COMPLIANT_BCP_RFC9700_PKCE_METHOD": BY_DEFAULT}, "W113"),
        (2, {"COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": BY_DEFAULT}, "W113"),
        (2, {"COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": BY_DEFAULT}, "W113"),
        (2, {"OAUTH2_SERVER_CLASS": BY_DEFAULT}, "W113"),
        (3, {"COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": BY_DEFAULT}, "W113"),
        (3, {"REFRESH_TOKEN_REUSE_PROTECTION": BY_DEFAULT}, "W114"),
        (3, {"ROTATE_REFRESH_TOKEN": False}, "W114"),
        (3, {"ACCESS_TOKEN_EXPIRE_SECONDS": BY_DEFAULT}, "W114"),
        (3, {"REFRESH_TOKEN_EXPIRE_SECONDS": BY_DEFAULT}, "W114"),
        (3, {"REFRESH_TOKEN_GENERATOR": BY_DEFAULT}, "W115"),
        (3, {"ACCESS_TOKEN_GENERATOR": BY_DEFAULT}, "W115"),
        (3, {"SCOPES_BACKEND_CLASS": BY_DEFAULT}, "E116"),
        (4, {"ALLOWED_REDIRECT_URI_SCHEMES": BY_DEFAULT}, "W117"),
        (4, {"ALLOW_URI_WILDCARDS": True}, "W117"),
        (5, {"OAUTH2_VALIDATOR_CLASS": BY_DEFAULT}, "W118"),
        (5, {"PKCE_REQUIRED": False}, "W118"),
    ],
)
def test_each_gap_that_is_opened_by_hand_is_seen(
    gap: int, changed: dict[str, Any], id: str
) -> None:
    values = {
        name: DEFAULTS[name] if value is BY_DEFAULT else value
        for name, value in changed.items()
    }
    [message] = said(**values)
    assert message.id == f"mcp_django.{id}"
    assert message.hint is not None
    assert any(name in message.hint for name in changed)


@pytest.mark.parametrize("gap", [6, 7])
def test_urls_of_the_toolkit_before_ours_are_seen(gap: int) -> None:
    """Its metadata reflects any path, and takes the place of ours."""
    theirs = path("", include("oauth2_provider.urls"))
    ours = path("", include("mcp_django.oauth.urls"))
    with root_urlconf(theirs, ours, *server.urls("mcp")):
        found = checks.run_checks(tags=["mcp"])
    assert "mcp_django.E102" in [message.id for message in found]
    with root_urlconf(ours, theirs, *server.urls("mcp")):
        found = checks.run_checks(tags=["mcp"])
    assert "mcp_django.E102" not in [message.id for message in found]


def test_registration_of_the_toolkit_that_is_open_to_all_is_seen() -> None:
    """Gap 8: it refuses usual clients, has no CORS, and no bounds."""
    changed = {
        "DCR_REGISTRATION_PERMISSION_CLASSES": (
            "oauth2_provider.dcr.AllowAllDCRPermission",
        )
    }
    assert said(**changed) == [], "its view is not there"
    with root_urlconf(path("o/", include("oauth2_provider.urls"))):
        [message] = said(**changed)
    assert message.id == "mcp_django.W118"


@override_settings(MCP={"AUTHENTICATION": [DJANGO]})
def test_tokens_that_no_endpoint_takes_are_seen() -> None:
    """Gap 9: the toolkit's own middleware and views are no way in."""
    [message] = said()
    assert message.id == "mcp_django.W119"


@override_settings(OAUTH2_PROVIDER={})
def test_a_project_that_sets_nothing_is_told_once() -> None:
    [message] = check_toolkit()
    assert message.id == "mcp_django.E110"


def test_a_class_that_is_not_there_is_an_error_of_its_own() -> None:
    [message] = said(OAUTH2_VALIDATOR_CLASS="nowhere.Validator")
    assert message.id == "mcp_django.E111"


@modify_settings(INSTALLED_APPS={"remove": ["oauth2_provider"]})
@override_settings(OAUTH2_PROVIDER={})
def test_nothing_is_said_without_the_toolkit() -> None:
    assert check_toolkit() == []


# Django 6.1 asks every database what it can.
@pytest.mark.django_db(databases=["default", "archive"])
@pytest.mark.parametrize("deploy", [False, True])
def test_the_toolkit_itself_has_little_to_say_of_the_preset(deploy: bool) -> None:
    """Chosen: loopback needs plain http, which its check warns of."""
    with override_settings(OAUTH2_PROVIDER=oauth2_provider()):
        found = checks.run_checks(include_deployment_checks=deploy)
    theirs = [m.id for m in found if str(m.id).startswith("oauth2_provider")]
    assert theirs == (["oauth2_provider.W008"] if deploy else [])
