"""What all tests share: async tests are run by anyio, on asyncio."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Name the event loop of async tests; those of portable layers have two."""
    return "asyncio"
