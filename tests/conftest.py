"""What all tests share: async tests are run by anyio, on asyncio."""

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.catalogs import GERMAN, write_catalog


@pytest.fixture
def anyio_backend() -> str:
    """Name the event loop of async tests; those of portable layers have two."""
    return "asyncio"


@pytest.fixture
def german(settings: Settings, tmp_path: Path) -> None:
    """Let Django find the German texts of `tests.catalogs`."""
    write_catalog(tmp_path, "de", GERMAN)
    settings.LOCALE_PATHS = [tmp_path]
