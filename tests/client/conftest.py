"""The client is written on anyio: its tests run under asyncio and trio."""

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop to run an async test on."""
    backend: str = request.param
    return backend
