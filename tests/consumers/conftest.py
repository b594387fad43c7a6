"""What most tests of consumers need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from pytest_django import Settings

from tests.site.mcp import Door, doors


@pytest.fixture
def without_authentication(settings: Settings) -> None:
    """Let everybody in."""
    settings.MCP = {"AUTHENTICATION": []}


@pytest.fixture
def ada(transactional_db: Any) -> User:
    """Give a user; other threads see her, too."""
    user: User = get_user_model().objects.create_user("ada")
    return user


@pytest.fixture
def bob(transactional_db: Any) -> User:
    """Give another user."""
    user: User = get_user_model().objects.create_user("bob")
    return user


@pytest.fixture
def door() -> Iterator[Door]:
    """Give the door "here", where handlers wait; it is open in the end."""
    door = doors["here"] = Door()
    yield door
    door.open()
    del doors["here"]
