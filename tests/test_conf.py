"""The `MCP` setting."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from pytest_django import Settings

from mcp_django.conf import DEFAULTS, mcp_settings


def test_every_setting_has_its_default(settings: Settings) -> None:
    """Chosen: a project needs no MCP setting at all."""
    settings.MCP = {}

    assert {key: getattr(mcp_settings, key) for key in DEFAULTS} == DEFAULTS


def test_project_without_the_setting_has_the_defaults(settings: Settings) -> None:
    """Chosen: as above."""
    assert not hasattr(settings, "MCP")

    assert {key: getattr(mcp_settings, key) for key in DEFAULTS} == DEFAULTS


def test_value_of_the_project_outranks_the_default(settings: Settings) -> None:
    """Chosen: the others keep their defaults."""
    settings.MCP = {"PAGE_SIZE": 7}

    assert mcp_settings.PAGE_SIZE == 7
    assert DEFAULTS["MAX_INBOX"] == mcp_settings.MAX_INBOX


def test_override_is_noticed_and_forgotten() -> None:
    """Chosen: for tests of projects."""
    before = mcp_settings.PAGE_SIZE
    with override_settings(MCP={"PAGE_SIZE": 7}):
        assert mcp_settings.PAGE_SIZE == 7

    assert before == mcp_settings.PAGE_SIZE


def test_change_of_another_setting_changes_nothing(settings: Settings) -> None:
    """Chosen: the hot path reads attributes only."""
    settings.MCP = {"PAGE_SIZE": 7}
    assert mcp_settings.PAGE_SIZE == 7
    settings.LANGUAGE_CODE = "de"

    assert mcp_settings.PAGE_SIZE == 7


def test_unknown_key_is_refused_by_name(settings: Settings) -> None:
    """Chosen: a misspelled limit must not be a limit that is not there."""
    settings.MCP = {"PAGESIZE": 7, "MAX_INBOX": 1}

    with pytest.raises(ImproperlyConfigured) as caught:
        _ = mcp_settings.MAX_INBOX

    assert str(caught.value) == (
        f"settings.MCP has unknown keys ['PAGESIZE']; known are {sorted(DEFAULTS)!r}"
    )


def test_unknown_name_is_no_attribute() -> None:
    """Chosen: a mistake of ours, not of the project.

    That mypy finds it, too, is what the comment in the last line needs.
    """
    with pytest.raises(AttributeError, match="MCP has no setting 'PAGESIZE'"):
        _ = mcp_settings.PAGESIZE  # type: ignore[attr-defined]
