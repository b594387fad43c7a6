"""What tests of the authorization server share."""

from __future__ import annotations

import pytest
from django.core.cache import caches
from pytest_django import Settings

from mcp_django.oauth.preset import oauth2_provider


@pytest.fixture(autouse=True)
def preset(settings: Settings) -> None:
    """Have the settings that mcp_django gives the toolkit, and an empty cache."""
    settings.OAUTH2_PROVIDER = oauth2_provider()
    caches["default"].clear()
