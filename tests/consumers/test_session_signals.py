"""Why a session ended, as receivers of `session_closed` hear it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from mcp_django import Context
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.consumers.applications import application_of
from mcp_django.operations import aend
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.server import Server
from mcp_django.signals import session_closed, session_opened
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    Connection,
    OpenStream,
    make_scope,
    open_stream,
)
from tests.consumers.streamable import open_session
from tests.consumers.websocket_connections import Closed, open_websocket
from tests.worker.layers import until

server = Server("told")
http = application_of(Endpoint(server, "mcp"))
sse = application_of(Endpoint(server, "sse"))
messages = application_of(Endpoint(server, "messages"))
websocket = application_of(Endpoint(server, "mcp"), "websocket")

Told = list[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("without_authentication")


@server.tool
async def label(context: Context) -> str:
    return str(context.session_label)


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Serve the bindings by path."""
    application = {"/mcp": http, "/mcp/sse": sse, "/mcp/messages": messages}
    await application[scope["path"]](scope, receive, send)


class Valid(Authenticator):
    """Believes every user, until told otherwise."""

    is_valid = True

    def authenticate(self, request: Any) -> Identity | None:
        return Identity(User(pk=7, username="ada"), self)

    def is_still_valid(self, identity: Identity) -> bool:
        return type(self).is_valid


@pytest.fixture
def told() -> Iterator[Told]:
    told: Told = []

    def hear(**named: Any) -> None:
        told.append(named)

    for signal in (session_opened, session_closed):
        signal.connect(hear, sender=server)
    yield told
    for signal in (session_opened, session_closed):
        signal.disconnect(hear, sender=server)


async def end_of(told: Told) -> dict[str, Any]:
    """Wait for the end of the one session."""
    await until(lambda: len(told) > 1)
    opened, closed = told
    assert opened["signal"] is session_opened
    assert closed["signal"] is session_closed
    shared = {k: v for k, v in opened.items() if k != "signal"}
    assert closed == {**closed, **shared}
    return closed


# Streamable HTTP ------------------------------------------------------------------


async def test_deleted_session_is_told_of_once(told: Told) -> None:
    """We promise it: two at once are one end, and what has ended ends no more."""
    session = await open_session(application=http)
    [opened] = told
    assert opened["client_info"].name == "test"
    assert isinstance(opened["user"], AnonymousUser)
    assert opened["session"] not in session.id
    statuses = await asyncio.gather(session.delete(), session.delete())
    assert {response.status for response in statuses} <= {200, 404}
    assert (await session.delete()).status == 404
    closed = await end_of(told)
    assert (closed["why"], closed["binding"]) == ("client", "streamable-http")
    assert 0 <= closed["seconds"] < 60


async def test_end_is_told_where_the_cache_is_away(
    told: Told, settings: Settings
) -> None:
    """Chosen: the workers that run know of it; two that come at once are one."""
    session = await open_session(application=http)
    settings.CACHES = {
        "default": {"BACKEND": "tests.worker.caches.BrokenCache"},
    }
    both = await asyncio.gather(session.delete(), session.delete())
    assert [response.status for response in both] == [503, 503]
    assert (await end_of(told))["why"] == "client"


async def test_client_that_says_the_same_again_goes_on(told: Told) -> None:
    """Chosen: its session is the same; another client ends it, and begins its own."""
    session = await open_session(application=http)
    same = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    await session.ask("initialize", same)
    assert len(told) == 1
    other = {**same, "clientInfo": {"name": "other", "version": "1"}}
    await session.ask("initialize", other)
    assert [(t["client_info"].name, t.get("why")) for t in told] == [
        ("test", None),
        ("test", "client"),
        ("other", None),
    ]


async def test_operator_ends_session_that_no_connection_holds(
    settings: Settings, told: Told
) -> None:
    """We promise it where the process that opened it still runs."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Valid"]}
    await open_session(application=http)
    await aend(user=User(pk=8))
    assert len(told) == 1
    await aend(user=User(pk=7))
    assert (await end_of(told))["why"] == "operator"
    await aend(everything=True)
    assert len(told) == 2


async def test_session_that_expires_is_told_of_where_it_was_opened(
    settings: Settings, told: Told
) -> None:
    """Chosen: no other process knows of it."""
    settings.MCP = {"AUTHENTICATION": [], "SESSION_MAX_AGE": 0.2}
    await open_session(application=http)
    closed = await end_of(told)
    assert closed["why"] == "expired"
    assert closed["seconds"] >= 0.19


# Connections that stay ------------------------------------------------------------


async def test_stream_that_the_client_leaves_is_disconnected(told: Told) -> None:
    """Chosen: a network that is lost looks the same."""
    async with open_stream(site):
        assert [t["binding"] for t in told] == ["sse"]
    assert (await end_of(told))["why"] == "disconnected"


async def test_connection_without_client_is_no_session(told: Told) -> None:
    """Chosen: there is nothing to say of one that never said what it is."""
    async with open_stream(site, is_initialized=False):
        pass
    async with open_websocket(websocket, is_initialized=False) as client:
        client.send("[")
        await client.receive()
    assert told == []


async def test_operator_ends_session_of_a_connection(told: Told) -> None:
    """We promise it."""
    async with open_websocket(websocket) as client:
        await aend(everything=True)
        assert await client.receive() == Closed(1001, "")
    assert (await end_of(told))["why"] == "operator"


async def test_session_ends_with_its_credentials(
    settings: Settings, told: Told
) -> None:
    """We promise it."""
    authentication = [f"{__name__}.Valid"]
    settings.MCP = {"AUTHENTICATION": authentication, "RECHECK_SECONDS": 0}
    async with open_websocket(websocket) as client:
        Valid.is_valid = False
        try:
            assert await client.receive() == Closed(1001, "")
        finally:
            Valid.is_valid = True
    assert (await end_of(told))["why"] == "credentials"


async def test_client_that_breaks_the_rules_ends_its_session(told: Told) -> None:
    """Chosen."""
    async with open_websocket(websocket) as client:
        client.send(b"binary")
        assert (await client.receive()).code == 1003
    assert (await end_of(told))["why"] == "error"


async def test_cancelled_connection_is_one_of_a_process_that_ends(told: Told) -> None:
    """Chosen: servers cancel what is open when they end."""
    connection = Connection(site, make_scope("GET", "/mcp/sse", {}))
    await connection.wait_for_start()
    endpoint = (await connection.read_event()).data
    await OpenStream(site, connection, endpoint, {}).initialize()
    await connection.be_cancelled()
    assert (await end_of(told))["why"] == "shutdown"


async def test_end_of_the_process_is_heard_before_it_ends(told: Told) -> None:
    """We promise it: the process waits for receivers, for a while."""
    async with open_stream(site):
        await current_worker().close_all()
        assert (await end_of(told))["why"] == "shutdown"


async def test_handler_knows_its_session_as_receivers_do(told: Told) -> None:
    """We promise it: what handlers keep for a session can be dropped at its end."""
    session = await open_session(application=http)
    called = await session.ask("tools/call", {"name": "label"})
    async with open_stream(site) as stream, open_websocket(websocket) as client:
        labels = [
            each["content"][0]["text"]
            for each in (called, await stream.call("label"), await client.call("label"))
        ]
    assert [t["session"] for t in told if "why" not in t] == labels
    assert len(set(labels)) == 3


# Receivers ------------------------------------------------------------------------


async def test_receiver_that_fails_ends_nothing_but_itself(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it."""

    async def fail(**named: Any) -> None:
        raise SystemExit(1)

    session_opened.connect(fail, sender=server)
    try:
        async with open_websocket(websocket) as client:
            assert await client.ask("ping") == {}
    finally:
        session_opened.disconnect(fail, sender=server)
    assert (await end_of(told))["why"] == "client"
    assert "fail" in caplog.text
