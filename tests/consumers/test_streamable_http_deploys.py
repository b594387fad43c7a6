"""Sessions that outlive a deploy: what their clients hear of it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from pytest_django import Settings

from mcp_django import Server
from mcp_django.protocol import versions
from tests import bakery
from tests.consumers.connections import Connection, site_of
from tests.consumers.streamable import (
    Session,
    call_of,
    initialize_of,
    open_session,
    read_message,
    standalone,
)
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("without_authentication")

TOOLS = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
RESOURCES = {"jsonrpc": "2.0", "method": "notifications/resources/list_changed"}
PROMPTS = {"jsonrpc": "2.0", "method": "notifications/prompts/list_changed"}


def release(*tools: str, prompts: bool = True) -> Server:
    """Make the server as one release of the site has it."""
    server = Server("bakery")
    for name in tools:
        server.tool(name=name, description=name)(lambda: None)
    if prompts:
        server.prompt(name="greet")(lambda: "Hello.")
    return server


def at(server: Server, session: Session) -> Session:
    """Give the same session, at a worker of another release."""
    headers = {k: v for k, v in session.headers.items() if k != "mcp-session-id"}
    return Session(site_of(server), session.id, headers)


async def sentinel(stream: Connection, server: Server) -> Any:
    """Give the next message of a stream on which at latest `RESOURCES` comes."""
    server.resources_changed()
    return await read_message(stream)


@pytest.mark.parametrize("version", versions.LEGACY[:3])
async def test_client_that_comes_back_hears_which_lists_changed(version: str) -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification"."""
    session = await open_session(version, application=site_of(release("bake")))
    with anyio.fail_after(PATIENCE_SECONDS):
        new = release("bake", "sell")
        async with standalone(at(new, session)) as stream:
            assert await read_message(stream) == TOOLS
            assert await sentinel(stream, new) == RESOURCES
        new = release("sell", prompts=False)
        async with standalone(at(new, session)) as stream:
            assert await read_message(stream) == TOOLS
            assert await read_message(stream) == PROMPTS
            assert await sentinel(stream, new) == RESOURCES


async def test_client_hears_nothing_where_nothing_changed() -> None:
    """Our choice: also in another process, and whatever else a deploy changes."""
    session = await open_session(application=site_of(release("bake", "sell")))
    same = release("sell", "bake")
    same.instructions = "Another text."
    with anyio.fail_after(PATIENCE_SECONDS):
        async with standalone(at(same, session)) as stream:
            assert await sentinel(stream, same) == RESOURCES


@pytest.mark.usefixtures("german")
async def test_language_of_a_request_is_no_change() -> None:
    """Our choice: lists are translated for each request, and stay the same lists."""
    session = await open_session(
        application=site_of(bakery.server), headers={"accept-language": "de"}
    )
    session.headers["accept-language"] = "en"
    with anyio.fail_after(PATIENCE_SECONDS):
        async with standalone(session) as stream:
            assert await sentinel(stream, bakery.server) == RESOURCES


async def test_client_that_lost_its_stream_in_the_deploy_hears_of_it(
    settings: Settings,
) -> None:
    """Our choice: what it missed comes first."""
    settings.MCP = {"AUTHENTICATION": [], "EVENT_STORE_CACHE": "default"}
    old, new = release("bake"), release("sell", prompts=False)
    session = await open_session(application=site_of(old))
    with anyio.fail_after(PATIENCE_SECONDS):
        stream = await session.get()
        while not (id := (await stream.read_event()).id):
            pass
        await stream.close()
        again = await at(new, session).get(last_event_id=id)
        assert await read_message(again) == TOOLS
        assert await read_message(again) == PROMPTS
        assert await sentinel(again, new) == RESOURCES
        await again.close()


@pytest.mark.parametrize("version", versions.LEGACY)
async def test_client_that_initializes_again_hears_of_no_change_before_that(
    version: str,
) -> None:
    """Our choice: it reads the lists after that; its session goes on all the same, also
    under its older id."""
    old, new, newest = release("bake"), release("bake", "sell"), release("sell")
    session = await open_session(version, application=site_of(old))
    here = at(new, session)
    response = await here.post(initialize_of(version))
    id = response.header("mcp-session-id")
    assert id not in (None, session.id)
    again = Session(site_of(new), str(id), {})
    with anyio.fail_after(PATIENCE_SECONDS):
        async with standalone(again) as stream:
            assert await sentinel(stream, new) == RESOURCES
            async with standalone(here) as other:
                await stream.wait_for_end()  # displaced: there is one session
                assert await read_message(other) == TOOLS
        async with standalone(at(newest, again)) as stream:
            assert await read_message(stream) == TOOLS
        await again.delete()
        assert (await here.post(initialize_of(version))).header("mcp-session-id") != id
        assert (await here.post(call_of("bake"))).status == 404


async def test_workers_that_differ_for_a_while_make_no_storm() -> None:
    """Our choice: each new stream says it once, and calls say nothing."""
    releases = release("bake"), release("bake", "sell")
    with anyio.fail_after(PATIENCE_SECONDS):
        for first in (0, 1):
            session = await open_session(application=site_of(releases[first]))
            for number in range(4):
                server = releases[number % 2]
                here = at(server, session)
                async with standalone(here) as stream:
                    if number % 2 != first:
                        assert await read_message(stream) == TOOLS
                    assert await here.ask("tools/list")
                    assert await sentinel(stream, server) == RESOURCES
