"""Checks of the class that says which programs may become clients."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from mcp_django.oauth.authorization_server.policies import ClientPolicy
from mcp_django.oauth.checks.client_policy import check_client_policy

HERE = "tests.oauth.checks.test_client_policy"


class Demanding(ClientPolicy):
    """Cannot be made without an argument."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant


class OneHost(ClientPolicy):
    """Has a text for a list."""

    hosts = "claude.ai"


class Origins(ClientPolicy):
    """Has origins for hosts."""

    hosts = ("https://claude.ai",)


class NoClient(ClientPolicy):
    """Lets no client in, by counts."""

    clients_per_minute = 0
    max_unused_clients = -1


class Right(ClientPolicy):
    """Is as it should be."""

    hosts = ("claude.ai", ".example", "localhost")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (None, []),
        ("mcp_django.oauth.authorization_server.policies.KnownClientsPolicy", []),
        (f"{HERE}.Right", []),
        ("nowhere.Policy", ["mcp_django.E120"]),
        (f"{HERE}.Missing", ["mcp_django.E120"]),
        ("policy", ["mcp_django.E120"]),
        ("builtins.dict", ["mcp_django.E121"]),
        (f"{HERE}.HERE", ["mcp_django.E121"]),
        (f"{HERE}.Demanding", ["mcp_django.E121"]),
        (f"{HERE}.OneHost", ["mcp_django.E122"]),
        (f"{HERE}.Origins", ["mcp_django.E122"]),
        (f"{HERE}.NoClient", ["mcp_django.E122", "mcp_django.E122"]),
    ],
)
def test_wrong_policies_are_found(
    path: str | None, found: list[str], settings: Settings
) -> None:
    """Chosen: before the first program registers."""
    settings.MCP = {} if path is None else {"CLIENT_POLICY": path}
    assert [message.id for message in check_client_policy()] == found


def test_without_the_toolkit_the_policy_is_not_asked(settings: Settings) -> None:
    """Chosen: a resource server alone has no clients."""
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "oauth2_provider"
    ]
    settings.MCP = {"CLIENT_POLICY": "nowhere.Policy"}
    assert check_client_policy() == []


@pytest.mark.parametrize("value", [None, 7, ["a.B"]])
def test_policy_that_is_no_text_is_left_to_the_check_of_the_setting(
    value: Any, settings: Settings
) -> None:
    """Chosen: one message for each fault."""
    settings.MCP = {"CLIENT_POLICY": value}
    assert check_client_policy() == []
