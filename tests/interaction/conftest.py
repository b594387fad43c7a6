"""`connect`: a client with an open session, over each binding."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import anyio
import mcp_types as types
import pytest
from mcp import ClientSession
from pytest_django import Settings

from mcp_django.auth.interface import User
from mcp_django.server.server import Server
from tests.interaction import features
from tests.interaction.bindings import BINDINGS, NOBODY
from tests.interaction.client import BOUND, CLIENT, LATEST, Answers, Client

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

    @asynccontextmanager
    async def open_session(
        *,
        server: Server = features.server,
        user: User = NOBODY,
        version: str = LATEST,
        answers: Answers | None = None,
    ) -> AsyncIterator[Client]:
        answers = answers or Answers()
        told, heard = anyio.create_memory_object_stream[Any](1000)

        async def on_notification(message: Any) -> None:
            told.send_nowait(message)

        async with (
            told,
            heard,
            binding(server, user) as (reading, writing),
            ClientSession(
                reading,
                writing,
                message_handler=on_notification,
                client_info=CLIENT,
                **answers.callbacks(),
            ) as session,
        ):
            with anyio.fail_after(BOUND):
                initialized = await _initialize(session, version, answers)
            yield Client(session, initialized, heard)

    return open_session


async def _initialize(
    session: ClientSession, version: str, answers: Answers
) -> types.InitializeResult:
    """Offer a version and go on with what the server answers."""
    params = types.InitializeRequestParams(
        protocol_version=version,
        capabilities=answers.capabilities,
        client_info=CLIENT,
    )
    initialized = await session.send_request(
        types.InitializeRequest(params=params), types.InitializeResult
    )
    session.adopt(initialized)
    await session.send_notification(types.InitializedNotification())
    return initialized
