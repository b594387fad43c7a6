"""The start and the end of the process, as ASGI servers tell of them."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest
from django.core.handlers.asgi import ASGIHandler
from pytest_django import Settings

from mcp_django.asgi import MCPRouter
from mcp_django.consumers.applications import Application
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import open_stream, request
from tests.patience import PATIENCE_SECONDS

SCOPE: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
STARTUP: Event = {"type": "lifespan.startup"}
SHUTDOWN: Event = {"type": "lifespan.shutdown"}


class LifetimeServer:
    """A server that tells an application when it starts and ends."""

    def __init__(self, application: Application) -> None:
        self._told: asyncio.Queue[Event] = asyncio.Queue()
        self._answers: asyncio.Queue[Event] = asyncio.Queue()
        self.living = asyncio.ensure_future(
            application(SCOPE, self._told.get, self._answers.put)
        )

    async def tell(self, event: Event) -> str:
        """Tell it something, and give the type of its answer."""
        self._told.put_nowait(event)
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await self._answers.get()
        kind: str = answer["type"]
        return kind

    async def end(self) -> None:
        """Wait until the application has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.living


async def start(application: Application) -> LifetimeServer:
    """Start an application."""
    server = LifetimeServer(application)
    assert await server.tell(STARTUP) == "lifespan.startup.complete"
    return server


class Framework:
    """An application beside ours that knows the protocol."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what the server tells."""
        assert scope is SCOPE
        for _ in range(2):
            kind = (await receive())["type"]
            streams = len(current_worker().connections)
            self.heard.append(f"{kind} with {streams} streams")
            await send({"type": f"{kind}.complete"})


async def reads_first(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail after the server has told that it starts."""
    await receive()
    raise ValueError("no application configured for scope type 'lifespan'")


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    """Say that it cannot start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
    raise OSError("no database")


async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail at once."""
    raise ValueError("no application configured for scope type 'lifespan'")


APPLICATIONS: dict[str, Application] = {
    "django": ASGIHandler(),
    "refuses": refuses,
    "reads first": reads_first,
}


@pytest.mark.parametrize("name", APPLICATIONS)
async def test_streams_end_before_the_server_hears_that_all_has_ended(
    name: str, settings: Settings
) -> None:
    """Spec: ASGI, "Lifespan Protocol"; also where the rest of the site knows none."""
    settings.MCP = {"AUTHENTICATION": []}
    router = MCPRouter(APPLICATIONS[name]).__call__
    server = await start(router)
    async with open_stream(router) as stream:
        assert len(current_worker().connections) == 1
        assert await server.tell(SHUTDOWN) == "lifespan.shutdown.complete"
        assert len(current_worker().connections) == 0
        await stream.connection.wait_for_end()
    await server.end()


async def test_process_that_was_asked_nothing_can_be_reached(
    settings: Settings,
) -> None:
    """Chosen: its operators see it, and it refuses what comes while it ends."""
    settings.MCP = {"AUTHENTICATION": []}
    router = MCPRouter(ASGIHandler()).__call__
    server = await start(router)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not current_worker().relay.mailbox:
            await anyio.lowlevel.checkpoint()
    assert await server.tell(SHUTDOWN) == "lifespan.shutdown.complete"
    await server.end()
    assert (await request(router, "GET", "/mcp/sse")).status == 503


async def test_application_beside_ours_is_told_when_mcp_has_ended(
    settings: Settings,
) -> None:
    """Chosen: handlers may need what it ends then."""
    settings.MCP = {"AUTHENTICATION": []}
    framework = Framework()
    router = MCPRouter(framework.__call__).__call__
    server = await start(router)
    async with open_stream(MCPRouter(ASGIHandler()).__call__):
        assert await server.tell(SHUTDOWN) == "lifespan.shutdown.complete"
    await server.end()
    assert framework.heard == [
        "lifespan.startup with 0 streams",
        "lifespan.shutdown with 0 streams",
    ]


async def test_application_that_cannot_start_says_so_itself() -> None:
    """Spec: ASGI, "Lifespan Protocol": the server ends then, and shows why."""
    server = LifetimeServer(MCPRouter(fails).__call__)
    assert await server.tell(STARTUP) == "lifespan.startup.failed"
    with pytest.raises(OSError, match="no database"):
        await server.end()
