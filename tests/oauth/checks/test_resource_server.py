"""The site's own name, and what takes the tokens: what the checks say."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from mcp_django.oauth.checks.resource_server import (
    check_authenticators,
    check_public_url,
)
from tests.oauth.oauth_sites import NAMED, SESSIONS, TOKENS
from tests.oauth.urlconfs import root_urlconf


@pytest.mark.parametrize(
    ("allowed", "public_url"),
    [
        (["site.example"], None),
        (["*"], "https://site.example"),
        (["*"], "http://localhost:8000/"),
        (["*"], "http://[::1]:8000"),
        ([], None),
        (7, None),
    ],
)
def test_site_whose_name_is_known_is_not_talked_about(
    settings: Settings, allowed: Any, public_url: str | None
) -> None:
    """Chosen: by its hosts, or by its public URL."""
    settings.ALLOWED_HOSTS = allowed
    settings.MCP = {"PUBLIC_URL": public_url}

    assert check_public_url() == []


def test_site_that_takes_every_host_needs_a_name(settings: Settings) -> None:
    """Chosen: tokens name the site, and no request shall say how."""
    settings.ALLOWED_HOSTS = ["site.example", "*"]

    [message] = check_public_url()

    assert (message.id, message.msg) == (
        "mcp_django.E103",
        "ALLOWED_HOSTS has '*' and MCP['PUBLIC_URL'] is not set, so a request could "
        "say by which name tokens know the site.",
    )
    assert "Set MCP['PUBLIC_URL']" in (message.hint or "")


@pytest.mark.parametrize("url", ["http://site.example", "HTTP://10.0.0.1:8000/"])
def test_site_that_is_not_on_this_machine_needs_tls(
    settings: Settings, url: str
) -> None:
    """Spec: RFC 9700, section 2.6; 2025-11-25 basic/authorization, "Communication
    Security"."""
    settings.MCP = {"PUBLIC_URL": url}

    [message] = check_public_url()

    assert message.id == "mcp_django.W104"
    assert message.msg.startswith(f"MCP['PUBLIC_URL'] is {url!r}, so that ")


@pytest.mark.parametrize("authentication", [[NAMED], [TOKENS, NAMED], ["no.where"]])
def test_site_that_takes_tokens_of_oauth_is_not_talked_about(
    settings: Settings, authentication: list[str]
) -> None:
    """Chosen: nor one whose authenticators have another trouble."""
    settings.MCP = {"AUTHENTICATION": authentication}

    assert check_authenticators() == []


@pytest.mark.parametrize("authentication", [[TOKENS], [SESSIONS], []])
def test_app_without_an_authenticator_is_a_warning(
    settings: Settings, authentication: list[str]
) -> None:
    """Chosen: it does nothing then."""
    settings.MCP = {"AUTHENTICATION": authentication}

    [message] = check_authenticators()

    assert (message.id, message.msg) == (
        "mcp_django.W105",
        "'mcp_django.oauth' is installed, and no authenticator takes tokens of OAuth: "
        "clients are not told where their users log in.",
    )
    assert message.hint


@pytest.mark.parametrize("check", [check_public_url, check_authenticators])
def test_project_with_other_troubles_is_left_to_other_checks(
    settings: Settings, check: Any
) -> None:
    """Chosen: no check ever raises."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.MCP = {"PUBLIC_URL": 7, "AUTHENTICATION": [TOKENS]}
    assert check() == []
    with root_urlconf(MCP={}):
        assert check() == []
