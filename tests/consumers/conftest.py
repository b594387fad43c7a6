"""What most tests of consumers need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.site.mcp import Door, doors


@pytest.fixture
def without_authentication(settings: Settings) -> None:
    """Let everybody in."""
    settings.MCP = {"AUTHENTICATION": []}


@pytest.fixture
def door() -> Iterator[Door]:
    """Give the door "here", where handlers wait; it is open in the end."""
    door = doors["here"] = Door()
    yield door
    door.open()
    del doors["here"]
