"""GET /sse: the stream, the endpoint it names, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.auth.interface import anonymous
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.sessions.registry import Registry
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    Connection,
    make_scope,
    open_stream,
    request,
    site,
    site_of,
)
from tests.consumers.credentials import token_of
from tests.site.mcp import Door, doors

open_to_all = pytest.mark.usefixtures("without_authentication")


@open_to_all
async def test_stream_says_that_it_must_be_passed_on_at_once_and_as_it_is() -> None:
    """Spec: WHATWG HTML, 9.2; proxies and GZipMiddleware hold events back else."""
    async with open_stream(site) as stream:
        assert stream.connection.status == 200
        assert stream.connection.headers == [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-transform"),
            ("content-encoding", "identity"),
            ("x-accel-buffering", "no"),
        ]


@open_to_all
async def test_stream_begins_with_the_endpoint_and_a_comment() -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE".

    The comment is chosen: some clients wait for a second piece of the stream.
    """
    connection = Connection(site, make_scope("GET", "/mcp/sse", {}))

    endpoint = await connection.read_chunk()
    comment = await connection.read_chunk()
    await connection.close()

    assert endpoint.startswith(b"event: endpoint\r\ndata: /mcp/messages?session_id=")
    assert endpoint.endswith(b"\r\n\r\n")
    assert comment == b": keep-alive\r\n\r\n"


async def test_silent_stream_is_kept_alive(settings: Settings) -> None:
    """Chosen: proxies close what is silent; MCP["KEEP_ALIVE_SECONDS"]."""
    settings.MCP = {"AUTHENTICATION": [], "KEEP_ALIVE_SECONDS": 0.1}
    connection = Connection(site, make_scope("GET", "/mcp/sse", {}))
    chunks = [await connection.read_chunk() for _ in range(3)]
    await connection.close()

    assert chunks[2] == b": keep-alive\r\n\r\n"


@open_to_all
async def test_two_sessions_have_different_ids() -> None:
    """Spec: 2025-11-25 basic/transports: globally unique and not to be guessed."""
    async with open_stream(site) as one, open_stream(site) as other:
        assert one.session_id != other.session_id
        await one.assert_alive()
        await other.assert_alive()


# The endpoint -------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize(
    ("path", "root_path", "endpoint"),
    [
        ("/mcp/sse", "", "/mcp/messages"),
        ("/under/a/tree/tools/sse", "", "/under/a/tree/tools/messages"),
        ("/app/mcp/sse", "/app", "/app/mcp/messages"),
        ("/a b/\u00e9/mcp/sse", "/a b/\u00e9", "/a%20b/%C3%A9/mcp/messages"),
        ("/50%/mcp/sse", "/50%", "/50%25/mcp/messages"),
        # What any client can say in Daphne-Root-Path.
        ("/mcp/sse", "/outside", "/outside/mcp/messages"),
        ("/mcp/sse", "outside", "/outside/mcp/messages"),
        ("/mcp/sse", "//evil.example", "/evil.example/mcp/messages"),
        ("//evil.example/mcp/sse", "//evil.example", "/evil.example/mcp/messages"),
        ("/mcp/sse", "https://evil.example", "/https%3A//evil.example/mcp/messages"),
        ("/mcp/sse", "\\\\evil.example", "/%5C%5Cevil.example/mcp/messages"),
        ("/mcp/sse", "/?x=", "/%3Fx%3D/mcp/messages"),
        ("/mcp/sse", "/#", "/%23/mcp/messages"),
        (
            "/mcp/sse",
            "/x\r\ndata: y\r\n\r\n",
            "/x%0D%0Adata%3A%20y%0D%0A%0D%0A/mcp/messages",
        ),
        ("/mcp/sse", "/\0", "/%00/mcp/messages"),
    ],
)
async def test_endpoint_is_beside_the_stream_and_stays_a_path(
    path: str, root_path: str, endpoint: str
) -> None:
    """Spec: 2024-11-05 basic/transports; clients take a URL of the same origin only.

    Chosen: whatever the root path says is percent-encoded, with one slash at its start.
    """
    async with open_stream(
        site, path=path, root_path=root_path, is_initialized=False
    ) as stream:
        assert stream.endpoint.partition("?")[0] == endpoint


@open_to_all
async def test_posts_below_a_root_path_reach_their_session() -> None:
    """Chosen: as Django routes; a proxy may set Daphne-Root-Path."""
    below: dict[str, Any] = {"root_path": "/a b"}
    async with open_stream(
        site, path="/a b/mcp/sse", is_initialized=False, **below
    ) as stream:
        path = unquote(urlsplit(stream.endpoint).path)
        result = await stream.ask("ping", path=path, **below)

    assert result == {}


@open_to_all
async def test_forced_script_name_is_honored(settings: Settings) -> None:
    """Chosen: as Django's reverse() does."""
    settings.FORCE_SCRIPT_NAME = "/forced"
    async with open_stream(site, is_initialized=False) as stream:
        assert stream.endpoint.startswith("/forced/mcp/messages?")


@open_to_all
@pytest.mark.parametrize(
    ("path", "root_path"),
    [
        ("/app/mcp/sse", ""),
        ("/app/mcp/sse", "/other"),
        ("/mcp/sse", "/mcp"),
        ("/mcp/sse", "/"),
        ("/app/mcp/sse", "/app/"),
        ("/mcp/sse/", ""),
        ("/mcp/ss\u00e9", ""),
        ("/mcp\r\n/sse", ""),
    ],
)
async def test_other_paths_are_left_to_the_rest_of_the_site(
    path: str, root_path: str
) -> None:
    """Chosen: as Django routes; never an error."""
    response = await request(site, "GET", "/", path=path, root_path=root_path)

    assert (response.status, response.body) == (404, b"the rest of the site")


# The end ------------------------------------------------------------------------


@open_to_all
async def test_session_ends_with_its_stream() -> None:
    """Spec: 2024-11-05 basic/transports: the stream is the session."""
    registry = current_worker().part(Registry)
    async with open_stream(site):
        assert len(registry) == 1

    assert len(registry) == 0


@open_to_all
async def test_handlers_are_cancelled_when_the_client_goes() -> None:
    """Chosen: nobody can be told the result."""
    server = Server("endless")
    has_begun, was_cancelled = anyio.Event(), anyio.Event()

    @server.tool
    async def never_end() -> None:
        """Wait for ever."""
        has_begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            was_cancelled.set()

    async with open_stream(site_of(server)) as stream:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        await stream.post(call | {"params": {"name": "never_end"}})
        await has_begun.wait()
        assert not was_cancelled.is_set()

    assert was_cancelled.is_set()


@open_to_all
async def test_end_of_the_worker_ends_every_stream_cleanly() -> None:
    """Chosen: on SIGTERM clients see the end of the body, not a broken connection."""
    async with open_stream(site) as one, open_stream(site) as other:
        await current_worker().close_all()
        await one.connection.wait_for_end()
        await other.connection.wait_for_end()

    assert len(current_worker().part(Registry)) == 0


@open_to_all
async def test_thousand_connects_and_disconnects_leave_no_session_behind() -> None:
    """Chosen: nothing grows with the number of clients that ever came."""
    tasks = len(asyncio.all_tasks())
    async with open_stream(site):
        upkeep = len(asyncio.all_tasks()) - tasks
    for _ in range(1000):
        async with open_stream(site, is_initialized=False):
            pass

    assert len(current_worker().part(Registry)) == 0
    assert len(current_worker().listeners) == 0
    assert len(asyncio.all_tasks()) - tasks <= upkeep


# Limits -------------------------------------------------------------------------


async def test_one_stream_too_many_of_a_user_is_refused(
    ada: User, bob: User, settings: Settings
) -> None:
    """Chosen: MCP["MAX_STREAMS_PER_USER"]; 429 in RFC 6585, section 4."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 2}
    headers = await token_of(ada)
    async with open_stream(site, headers=headers):
        async with open_stream(site, headers=headers):
            refused = await request(site, "GET", "/mcp/sse", headers=headers)
            async with open_stream(site, headers=await token_of(bob)):
                pass
        async with open_stream(site, headers=headers):
            pass

    assert refused.error() == (
        429,
        -32600,
        "2 streams of this user are open; close one",
    )
    assert refused.header("retry-after") == "10"


async def test_streams_opened_at_the_same_time_are_counted_as_well(
    ada: User, settings: Settings
) -> None:
    """Chosen: the limit holds however the server schedules the exchanges."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 2}
    scope = make_scope("GET", "/mcp/sse", await token_of(ada))

    async def slow_site(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_slowly(event: Event) -> None:
            await anyio.wait_all_tasks_blocked()
            await send(event)

        await site(scope, receive, send_slowly)

    connections = [Connection(slow_site, scope) for _ in range(5)]
    for connection in connections:
        await connection.wait_for_start()
    for connection in connections:
        await connection.close()

    statuses = sorted(connection.status for connection in connections)
    assert statuses == [200, 200, 429, 429, 429]
    assert len(current_worker().part(Registry)) == 0


async def test_streams_of_nobody_are_not_counted(settings: Settings) -> None:
    """Chosen: without authentication all clients would be one user."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_STREAMS_PER_USER": 1}
    async with open_stream(site) as one, open_stream(site) as other:
        assert anonymous().owner == ""
        await one.assert_alive()
        await other.assert_alive()


async def test_result_that_is_too_large_for_an_event_is_a_tool_error(
    settings: Settings,
) -> None:
    """Chosen: the official Python client drops the connection above 1 MiB."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_EVENT_BYTES": 5000}
    server = Server("large")

    @server.tool
    async def repeat(times: int) -> str:
        """Make a long text."""
        return "x" * times

    async with open_stream(site_of(server)) as stream:
        small = await stream.call("repeat", times=1000)
        large = await stream.call("repeat", times=5000)
        await stream.assert_alive()

    assert "isError" not in small
    assert large["isError"] is True
    assert "at most 5000 can be sent" in large["content"][0]["text"]


# What a handler sees ------------------------------------------------------------


@open_to_all
async def test_handler_sees_session_and_headers_of_its_own_message() -> None:
    """Chosen: headers are those of the POST, not of the stream."""
    server = Server("seen")
    seen: dict[str, Any] = {}

    @server.tool
    async def look(context: Context) -> None:
        """Look around."""
        seen["session"] = context.session_id
        seen["trace"] = context.headers["x-trace"]
        seen["client"] = context.client_info.name
        seen["version"] = context.protocol_version

    async with open_stream(site_of(server), headers={"x-trace": "stream"}) as stream:
        await stream.ask("tools/call", {"name": "look"}, headers={"x-trace": "post"})
        session_id = unquote(stream.session_id)

    assert seen == {
        "session": session_id,
        "trace": "post",
        "client": "test",
        "version": "2025-11-25",
    }


@open_to_all
async def test_twenty_calls_run_at_the_same_time() -> None:
    """Chosen: one slow call of a session holds no other up."""
    door = doors["twenty"] = Door()
    async with open_stream(site) as stream:
        for n in range(20):
            params = {"name": "hold", "arguments": {"door": "twenty"}}
            call = {"jsonrpc": "2.0", "id": n, "method": "tools/call"}
            await stream.post(call | {"params": params})
        for _ in range(20):
            await door.arrivals.receive()
        await stream.assert_alive()
        door.open()
        answers = [await stream.read_message() for _ in range(20)]
    del doors["twenty"]

    assert {answer["id"] for answer in answers} == set(range(20))
