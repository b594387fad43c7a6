"""What tests of accounts share: another server, and this site with accounts there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.accounts.warehouse import Warehouse, running_warehouse


@pytest.fixture(scope="package")
def running() -> Iterator[Warehouse]:
    """Serve a warehouse for all tests of the package."""
    with running_warehouse() as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(running: Warehouse, settings: Settings) -> Iterator[Warehouse]:
    """A warehouse that no user knows yet, and that the settings name."""
    settings.MCP = {"OTHER_SERVERS": {"warehouse": {"url": running.url}}}
    settings.ROOT_URLCONF = "tests.accounts.urls"
    yield running
    running.forget()
