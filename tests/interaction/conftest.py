"""`connect`: a client of a server, over each binding and in each version."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest
from mcp_types import LoggingLevel
from pytest_django import Settings

from mcp_django.auth.interface import User
from mcp_django.server.server import Server
from tests.interaction import features
from tests.interaction.bindings import BINDINGS, NOBODY, VIEWS, Scopes
from tests.interaction.client import NO_ANSWERS, Answers, Client, open_client
from tests.interaction.ways import WAYS, Way


class Connect(Protocol):
    """Connects a client; used with `async with`."""

    def __call__(
        self,
        *,
        server: Server = ...,
        user: User = ...,
        scopes: Scopes = ...,
        version: str | None = ...,
        answers: Answers = ...,
        log_level: LoggingLevel | None = ...,
    ) -> AbstractAsyncContextManager[Client]: ...


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """Name binding, version and event loop."""
    chosen: Way = request.param
    return chosen


@pytest.fixture
def anyio_backend(way: Way) -> str:
    """Name the event loop."""
    return way.loop


@pytest.fixture
def connect(way: Way, settings: Settings) -> Connect:
    """Give the function that connects."""
    settings.MCP = {"AUTHENTICATION": ["tests.interaction.bindings.ByHeader"]}
    binding = {**BINDINGS, **VIEWS}[way.binding].connect

    def open_session(
        *,
        server: Server = features.server,
        user: User = NOBODY,
        scopes: Scopes = None,
        version: str | None = None,
        answers: Answers = NO_ANSWERS,
        log_level: LoggingLevel | None = None,
    ) -> AbstractAsyncContextManager[Client]:
        return open_client(
            binding(server, user, scopes),
            version=version or way.version,
            answers=answers,
            log_level=log_level,
        )

    return open_session
