"""Authenticators for other issuers: what the checks say."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from mcp_django.oauth.checks.issuers import check_issuers
from tests.oauth.authenticators.company import ASKED, SIGNED, SignedTokens

SESSIONS = "mcp_django.auth.django_session.SessionAuthenticator"


def test_authenticator_that_can_be_used_is_not_talked_about(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: nothing is fetched, either."""
    monkeypatch.setattr(SignedTokens, "issuer", "https://idp.invalid")
    settings.MCP = {"AUTHENTICATION": [SIGNED, SESSIONS]}
    assert check_issuers() == []


def test_missing_issuer_is_an_error(settings: Settings) -> None:
    """We promise it: it is said at the start, and not by each request."""
    settings.MCP = {"AUTHENTICATION": [SIGNED, ASKED, SESSIONS]}
    first, second = check_issuers()
    assert first.id == second.id == "mcp_django.E130"
    assert first.msg.startswith(
        f"{SIGNED!r} in MCP['AUTHENTICATION'] cannot be used: SignedTokens.issuer must "
        "be an https URL"
    )
    assert ASKED in second.msg


@pytest.mark.parametrize("paths", [["nowhere.at.all"], ["tests.settings.DEBUG"], 5])
def test_what_other_checks_say_is_not_repeated(
    settings: Settings, paths: object
) -> None:
    """Chosen: one fault, one message."""
    settings.MCP = {"AUTHENTICATION": paths}
    assert check_issuers() == []
