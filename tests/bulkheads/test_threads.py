"""Pools of threads: what waits for whom, and who shares them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import AnonymousUser, User

from mcp_django import Server, SyncContext
from mcp_django.bulkheads.threads import (
    authentication_threads,
    handler_threads,
    lone_threads,
    permission_threads,
)
from mcp_django.conf import MCPSettings
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS
from tests.server.calls import Caller

_THREADS = MCPSettings.SYNC_WORKERS


class Hanging:
    """Tools that do not return before the end of the test."""

    def __init__(self, server: Server) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        server.tool(self.hang)

    def hang(self) -> str:
        """Wait for the end of the test."""
        self.begun.release()
        assert self.go_on.wait(PATIENCE_SECONDS)
        return "done"

    async def wait_for(self, count: int) -> None:
        """Return when so many have begun."""
        for _ in range(count):
            await anyio.to_thread.run_sync(self.begun.acquire)


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio: trio has but one client."""
    return "asyncio"


@pytest.fixture
def server() -> Server:
    """Give a server with features of each kind."""
    server = Server("shop")

    def may(context: SyncContext) -> bool:
        return True

    @server.tool(permission=may)
    def add(a: int, b: int) -> str:
        return str(a + b)

    @server.resource("shop://terms", permission=may)
    def terms() -> str:
        return "None."

    @server.prompt(permission=may)
    def greet() -> str:
        return "Hello"

    return server


@pytest.fixture
def hanging(server: Server) -> Iterator[Hanging]:
    """Give a tool that hangs; it goes on at the end."""
    hanging = Hanging(server)
    yield hanging
    hanging.go_on.set()


def caller_of(server: Server, number: int | None, **options: Any) -> Caller:
    """Give a client of a user; None for nobody's."""
    user = AnonymousUser() if number is None else User(pk=number)
    return Caller(server, user=user, **options)


@pytest.mark.parametrize("count", [16, 64, 500])
async def test_handlers_of_one_user_that_hang_hold_up_nobody_else(
    server: Server, hanging: Hanging, count: int
) -> None:
    """We promise it: tools, resources, prompts and lists, with their permissions."""
    eve, ann = caller_of(server, 1), caller_of(server, 2)
    async with anyio.create_task_group() as calls:
        for _ in range(count):
            calls.start_soon(eve.text_of, "hang")
        await hanging.wait_for(min(count, _THREADS // 2))

        with anyio.fail_after(SOON_SECONDS):
            assert await ann.text_of("add", a=1, b=2) == "3"
            await ann.call("resources/read", {"uri": "shop://terms"})
            await ann.call("prompts/get", {"name": "greet"})
            for what in ("tools", "resources", "prompts"):
                assert (await ann.call(f"{what}/list"))[what]
            assert (await eve.call("tools/list"))["tools"]
        hanging.go_on.set()


async def test_clients_that_go_leave_room_for_others(
    server: Server, hanging: Hanging
) -> None:
    """We promise it: what hangs, hangs on, and the rest was never begun."""
    eve, ann = caller_of(server, 1), caller_of(server, 2)
    for begun in (_THREADS // 2, 0, 0):
        async with anyio.create_task_group() as calls:
            for _ in range(_THREADS):
                calls.start_soon(eve.text_of, "hang")
            await hanging.wait_for(begun)
            await anyio.wait_all_tasks_blocked()
            calls.cancel_scope.cancel()
    with anyio.fail_after(SOON_SECONDS):
        assert await ann.text_of("add", a=1, b=2) == "3"
    held = handler_threads.held
    assert len(held) == _THREADS // 2
    assert {one.what for one in held} == {"tools/call 'hang'"}
    assert {one.owner for one in held} == {"1"}
    assert all(one.is_given_up for one in held)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"mcp-session-id": "one"}, {"mcp-session-id": "two"}),
        ({}, {"mcp-session-id": "two"}),
    ],
)
async def test_sessions_of_nobody_share_threads(
    server: Server,
    hanging: Hanging,
    first: dict[str, str],
    second: dict[str, str],
) -> None:
    """We promise it: where there are no users, no session takes all threads."""
    eve = caller_of(server, None, headers=first)
    ann = caller_of(server, None, headers=second)
    eve.sender = replace(eve.sender, address="192.0.2.1")
    async with anyio.create_task_group() as calls:
        for _ in range(2 * _THREADS):
            calls.start_soon(eve.text_of, "hang")
        await hanging.wait_for(_THREADS // 2)

        with anyio.fail_after(SOON_SECONDS):
            assert await ann.text_of("add", a=1, b=2) == "3"
        hanging.go_on.set()


async def test_only_client_has_all_threads(server: Server, hanging: Hanging) -> None:
    """Chosen: over stdio there is nobody to share with; its lists do not wait."""
    ann = caller_of(server, 2, threads=lone_threads)
    async with anyio.create_task_group() as calls:
        for _ in range(_THREADS):
            calls.start_soon(ann.text_of, "hang")
        await hanging.wait_for(_THREADS)

        with anyio.fail_after(SOON_SECONDS):
            assert (await ann.call("tools/list"))["tools"]
        hanging.go_on.set()


async def test_authentication_that_hangs_is_replaced() -> None:
    """We promise it: authenticators that were given up keep nobody out."""
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        go_on.wait(PATIENCE_SECONDS)

    try:
        for _ in range(2 * MCPSettings.AUTHENTICATION_WORKERS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(authentication_threads.run, hang)
                await anyio.to_thread.run_sync(begun.acquire)
                tasks.cancel_scope.cancel()
        with anyio.fail_after(SOON_SECONDS):
            assert await authentication_threads.run(lambda: "works") == "works"
    finally:
        go_on.set()


async def test_kinds_of_work_have_threads_of_their_own() -> None:
    """We promise it: what the process needs to live waits for no handler."""
    names = [
        (await pool.run(lambda: threading.current_thread().name)).rpartition("_")[0]
        for pool in (
            handler_threads,
            lone_threads,
            permission_threads,
            authentication_threads,
        )
    ]
    assert names == [
        "mcp-handler",
        "mcp-lone-handler",
        "mcp-permission",
        "mcp-authentication",
    ]
    assert handler_threads.beside is lone_threads.beside is permission_threads
