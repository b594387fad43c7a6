"""Fixtures for pytest, on top of pytest-django.

::

    # conftest.py
    pytest_plugins = ["mcp_django.testing.fixtures"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcp_django.server.server import Server
from mcp_django.testing.async_client import AsyncMCPClient
from mcp_django.testing.client import MCPClient
from mcp_django.testing.live import MCPLiveServer, running_daphne


@pytest.fixture
def mcp_server() -> Server | None:
    """Say whose clients the other fixtures give; None for the project's only server.

    Define one of the same name in a project that has several.
    """
    return None


@pytest.fixture
def mcp_client(mcp_server: Server | None) -> MCPClient:
    """Give a client in memory that is not logged in."""
    return MCPClient(mcp_server)


@pytest.fixture
def async_mcp_client(mcp_server: Server | None) -> AsyncMCPClient:
    """Give a client in memory for async tests that is not logged in."""
    return AsyncMCPClient(mcp_server)


@pytest.fixture(scope="session")
def mcp_daphne(django_db_setup: None) -> Iterator[str]:
    """Serve the project with Daphne to the end of all tests, and give its address."""
    with running_daphne() as url:
        yield url


@pytest.fixture
def mcp_live_server(
    mcp_daphne: str, transactional_db: None, mcp_server: Server | None
) -> MCPLiveServer:
    """Give the addresses of a real Daphne that uses the test database."""
    return MCPLiveServer(mcp_daphne, mcp_server)
