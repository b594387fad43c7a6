"""Serving one client over any transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from mcp_django import Server, SyncContext
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.exceptions import TransportClosed
from mcp_django.operations import aend, astatus
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.sessions.serving import serve
from mcp_django.transports.base import Transport
from mcp_django.transports.memory import MemoryTransport, memory_transports
from mcp_django.worker.worker import current_worker
from tests import patience
from tests.server.stray_errors import STRAYS
from tests.transports.witness import Witness

PATIENCE_SECONDS = patience.PATIENCE_SECONDS


@pytest.fixture
def server() -> Server:
    """Give a server that says who asks."""
    server = Server("shop")

    @server.tool
    def who(context: SyncContext) -> str:
        return context.user.get_username()

    return server


@asynccontextmanager
async def served(
    server: Server, **options: Any
) -> AsyncIterator[tuple[MemoryTransport, Witness, MemoryTransport]]:
    """Serve a client in memory; give both ends, and what the client hears."""
    client_end, server_end = memory_transports()
    witness = Witness(client_end)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await client_end.start(tasks)
            is_over = anyio.Event()

            async def run() -> None:
                await serve(server, server_end, **options)
                is_over.set()

            tasks.start_soon(run)
            yield client_end, witness, server_end
            await client_end.close()
            await is_over.wait()


async def initialize(client_end: Transport, witness: Witness) -> None:
    """Open a session."""
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    await client_end.send(jsonrpc.request(0, "initialize", params))
    await witness.until_messages(1)
    await client_end.send(jsonrpc.notification("notifications/initialized", None))


def call(tool: str) -> Message:
    return jsonrpc.request(1, "tools/call", {"name": tool, "arguments": {}})


def text_of(message: Message) -> Any:
    """Give the text of a tool's result."""
    result: Any = jsonrpc.parse(jsonrpc.serialize(message))
    return result.result["content"][0]["text"]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_client_is_served_until_it_goes(server: Server) -> None:
    """Chosen: on either event loop; the user named is the one whom handlers see."""
    async with served(server, user=User(username="ada")) as (client_end, witness, _):
        await initialize(client_end, witness)
        await client_end.send(call("who"))
        messages = await witness.until_messages(2)
    assert text_of(messages[1]) == "ada"


async def test_lazy_user_is_read_before_the_first_message(
    server: Server, transactional_db: Any, settings: Settings
) -> None:
    """Chosen: `request.user` is one; it is read in a thread, and again as any other."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    create = partial(User.objects.create_user, "ada")
    await authentication_threads.run(create)
    user = SimpleLazyObject(User.objects.get)
    async with served(server, user=user) as (client_end, witness, _):
        await initialize(client_end, witness)
        await client_end.send(call("who"))
        messages = await witness.until_messages(2)
    assert text_of(messages[1]) == "ada"


async def test_session_hears_of_changes_as_long_as_it_lives(server: Server) -> None:
    """Chosen: as the site's own connections do."""
    async with served(server) as (client_end, witness, _):
        await initialize(client_end, witness)
        server.tools_changed()
        messages = await witness.until_messages(2)
        assert len(current_worker().listeners) == 1
    assert messages[1] == jsonrpc.notification("notifications/tools/list_changed", None)
    assert len(current_worker().listeners) == 0


async def test_operators_see_and_end_what_is_served(server: Server) -> None:
    """We promise it: also what runs over stdio, or over a transport of one's own."""
    started = anyio.Event()

    @server.tool
    async def hang() -> None:
        started.set()
        await anyio.sleep_forever()

    user = User(pk=7, username="ada")
    async with served(server, user=user) as (client_end, witness, _):
        await initialize(client_end, witness)
        await client_end.send(call("hang"))
        await started.wait()
        [worker] = (await astatus()).workers
        assert worker["streams"] == {"memory": 1}
        assert worker["running"] == {"tool:hang": 1}
        assert worker["users"] == {"7": {"streams": 1}}

        await aend(feature="shop/tool:hang")
        messages = await witness.until_messages(2)
        assert messages[1] == jsonrpc.error(
            1, -32603, "the request was ended by an operator"
        )
        assert len(current_worker().connections) == 1

        is_closed = anyio.Event()
        client_end.on_close = is_closed.set
        await aend(user=user)
        await is_closed.wait()
    assert len(current_worker().connections) == 0


async def test_callbacks_of_the_transport_are_still_called(server: Server) -> None:
    """Chosen: whoever made the transport may want to know."""
    client_end, server_end = memory_transports()
    closed: list[str] = []
    server_end.on_close = lambda: closed.append("closed")
    await client_end.close()
    with anyio.fail_after(PATIENCE_SECONDS):
        await serve(server, server_end)
    assert closed == ["closed"]


async def test_transport_is_closed_when_serving_is_cancelled(server: Server) -> None:
    """Chosen: whoever serves, closes."""
    client_end, server_end = memory_transports()
    witness = Witness(server_end)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, server, server_end)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert witness.closed == 1
    with pytest.raises(TransportClosed):
        await server_end.send(call("who"))
    await client_end.close()


async def test_what_is_begun_may_finish_when_the_client_says_no_more(
    server: Server,
) -> None:
    """Chosen: clients that write their requests and close their half get answers."""
    may_end = anyio.Event()

    @server.tool
    async def wait() -> str:
        await may_end.wait()
        return "done"

    async with served(server) as (client_end, witness, server_end):
        await initialize(client_end, witness)
        await client_end.send(call("wait"))

        async def end() -> None:
            await server_end.on_end()

        async with anyio.create_task_group() as tasks:
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(end)
            await anyio.wait_all_tasks_blocked()
            may_end.set()
        messages = await witness.until_messages(2)
    assert text_of(messages[1]) == "done"


@pytest.mark.django_db(transaction=True)
async def test_user_who_was_deactivated_is_served_no_longer(
    server: Server, settings: Settings
) -> None:
    """Chosen: looked at with a message, every MCP["RECHECK_SECONDS"]."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    make = User.objects.create_user
    ada: User = await authentication_threads.run(lambda: make("ada"))
    async with served(server, user=ada) as (client_end, witness, _):
        await initialize(client_end, witness)
        await client_end.send(call("who"))
        await witness.until_messages(2)
        await authentication_threads.run(lambda: User.objects.update(is_active=False))
        await client_end.send(call("who"))
        await witness.until_closed()
    assert len(witness.messages) == 2


@pytest.mark.parametrize("kind", STRAYS)
async def test_whatever_callbacks_raise_serving_goes_on(
    server: Server, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: what is only told of something ends nothing."""
    client_end, server_end = memory_transports()

    def fail(*told: object) -> None:
        raise STRAYS[kind]()

    server_end.on_close = server_end.on_error = fail
    witness = Witness(client_end)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, server, server_end)
        await client_end.start(tasks)
        await client_end.send(jsonrpc.result("nobody asked", {}))
        await initialize(client_end, witness)
        await client_end.close()
    failed = [r.getMessage() for r in caplog.records if r.exc_info]
    assert "on_close of a transport failed" in failed
