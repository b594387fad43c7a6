"""What all tests share: async tests are run by anyio, on asyncio."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from channels.layers import channel_layers
from pytest_django import Settings

from tests.catalogs import GERMAN, write_catalog


def pytest_configure() -> None:
    """Look for garbage less often.

    The tests themselves are some hundred thousand objects that stay; to look through
    them as often as Python does would be a third of the time of all tests.
    """
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True)
def own_channel_layer() -> None:
    """Give each test another channel layer, without the mailboxes of earlier ones.

    No worker empties those any more: telling them all takes longer with each test.
    """
    channel_layers.backends.clear()


@pytest.fixture
def anyio_backend() -> str:
    """Name the event loop of async tests; those of portable layers have two."""
    return "asyncio"


@pytest.fixture
def german(settings: Settings, tmp_path: Path) -> None:
    """Let Django find the German texts of `tests.catalogs`."""
    write_catalog(tmp_path, "de", GERMAN)
    settings.LOCALE_PATHS = [tmp_path]
