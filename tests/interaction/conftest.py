"""`connect`: a client with an open session, over each binding."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest
from pytest_django import Settings

from mcp_django.auth.interface import User
from mcp_django.server.server import Server
from tests.interaction import features
from tests.interaction.bindings import BINDINGS, NOBODY
from tests.interaction.client import (
    LATEST,
    NO_ANSWERS,
    Answers,
    Client,
    open_client,
)

# Binding and event loop; Channels needs asyncio.
WAYS = ["memory-asyncio", "memory-trio", "stdio-asyncio", "stdio-trio", "sse-asyncio"]


class Connect(Protocol):
    """Opens a session; used with `async with`."""

    def __call__(
        self,
        *,
        server: Server = ...,
        user: User = ...,
        version: str = ...,
        answers: Answers = ...,
    ) -> AbstractAsyncContextManager[Client]: ...


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Name binding and event loop."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def anyio_backend(way: str) -> str:
    """Name the event loop."""
    return way.partition("-")[2]


@pytest.fixture
def connect(way: str, settings: Settings) -> Connect:
    """Give the function that opens a session."""
    settings.MCP = {"AUTHENTICATION": ["tests.interaction.bindings.ByHeader"]}
    binding = BINDINGS[way.partition("-")[0]]

    def open_session(
        *,
        server: Server = features.server,
        user: User = NOBODY,
        version: str = LATEST,
        answers: Answers = NO_ANSWERS,
    ) -> AbstractAsyncContextManager[Client]:
        return open_client(binding(server, user), version=version, answers=answers)

    return open_session
