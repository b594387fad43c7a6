"""System checks of accounts, each where it speaks and where it is silent."""

from __future__ import annotations

from typing import Any

from django.core.checks import run_checks
from pytest_django import Settings

from mcp_django.accounts.checks import check_accounts
from mcp_django.apps import CHECKS_TAG

SERVER = {"url": "https://warehouse.example/mcp"}


def ids_of(settings: Settings, **servers: Any) -> list[str | None]:
    """Give what is wrong with a site that has these servers."""
    settings.MCP = {"OTHER_SERVERS": servers}
    return [message.id for message in check_accounts()]


def test_site_that_has_all_is_not_talked_about(settings: Settings) -> None:
    """Chosen: nothing to say."""
    settings.ROOT_URLCONF = "tests.accounts.urls"

    assert ids_of(settings, warehouse=SERVER) == []


def test_site_without_other_servers_needs_no_pages(settings: Settings) -> None:
    """Chosen: the app may be installed for later."""
    settings.SESSION_COOKIE_SAMESITE = "Strict"

    assert ids_of(settings) == []


def test_wrong_server_is_told(settings: Settings) -> None:
    """Chosen: at start, and not when the first user comes."""
    settings.ROOT_URLCONF = "tests.accounts.urls"

    found = ids_of(settings, warehouse=SERVER, other={}, third="x")
    assert found == ["mcp_django.E140", "mcp_django.E140"]


def test_two_names_of_one_url_are_told(settings: Settings) -> None:
    """Chosen: they would share an account."""
    settings.ROOT_URLCONF = "tests.accounts.urls"
    same = {"url": "HTTPS://warehouse.example/mcp"}

    assert ids_of(settings, warehouse=SERVER, other=same) == ["mcp_django.E141"]


def test_pages_that_are_not_included_are_told(settings: Settings) -> None:
    """Chosen: no user could connect an account."""
    assert ids_of(settings, warehouse=SERVER) == ["mcp_django.E142"]


def test_session_that_is_not_there_on_the_way_back_is_told(settings: Settings) -> None:
    """Chosen: it fails for every user, and nothing says why."""
    settings.ROOT_URLCONF = "tests.accounts.urls"
    settings.SESSION_COOKIE_SAMESITE = "Strict"

    assert ids_of(settings, warehouse=SERVER) == ["mcp_django.W143"]


def test_setting_that_is_no_dictionary_is_told_by_its_own_check(
    settings: Settings,
) -> None:
    """Chosen: one message for one fault."""
    settings.MCP = {"OTHER_SERVERS": ["https://warehouse.example/mcp"]}

    found = [message.id for message in run_checks(tags=[CHECKS_TAG])]
    assert found.count("mcp_django.E003") == 1
    assert not {"mcp_django.E140", "mcp_django.E142"} & set(found)
