"""How receivers are told of requests: soon, and many at a time where that is quick."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from functools import partial

import anyio
import pytest

from mcp_django.bulkheads.threads import ThreadPool, handler_threads
from mcp_django.server import receivers
from mcp_django.server.receivers import all_told, has_some_to_tell, tell
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from tests.patience import PATIENCE_SECONDS
from tests.server.calls import Caller

name: ContextVar[str] = ContextVar("name")


def request_in(threads: ThreadPool = handler_threads) -> Request:
    return Caller(Server("shop"), threads=threads).request("tools/list")


async def learn_that_receivers_are_quick() -> None:
    """Let them be told often enough for that to be known."""
    for _ in range(30):
        await tell(request_in(), lambda: None)
        await all_told()


async def test_no_request_waits_for_its_receivers() -> None:
    """We promise it: not even for some that hang."""
    released = threading.Event()
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            await tell(request_in(), lambda: released.wait(PATIENCE_SECONDS))
        assert has_some_to_tell()
    finally:
        released.set()
    await all_told()

    assert not has_some_to_tell()


async def test_many_requests_take_one_way_to_a_thread() -> None:
    """We chose it: the way takes longer than most receivers. Each has its context."""
    await learn_that_receivers_are_quick()
    told: list[str] = []
    threads: set[int] = set()

    async def tell_by_name(own: str) -> None:
        name.set(own)
        await tell(request_in(), note)

    def note() -> None:
        told.append(name.get())
        threads.add(threading.get_ident())

    names = [f"request {number}" for number in range(40)]
    async with anyio.create_task_group() as tasks:
        for each in names:
            tasks.start_soon(tell_by_name, each)
    await all_told()

    assert sorted(told) == sorted(names)
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


async def test_slow_receivers_run_side_by_side() -> None:
    """We promise it: one that waits for a database holds up no other one."""
    both = threading.Barrier(2)

    for _ in range(2):
        await tell(request_in(), lambda: both.wait(PATIENCE_SECONDS))
    await all_told()

    assert not both.broken


async def test_requests_wait_where_receivers_cannot_follow() -> None:
    """We promise it: what waits has a bound, and nothing of it is lost."""
    released = threading.Event()
    told: list[int] = []
    most = receivers._MOST_WAITING + receivers._MOST_SIDE_BY_SIDE

    def tell_slowly(number: int) -> None:
        released.wait(PATIENCE_SECONDS)
        told.append(number)

    for number in range(most):
        await tell(request_in(), partial(tell_slowly, number))
    has_been_taken = False

    async def tell_one_more() -> None:
        nonlocal has_been_taken
        await tell(request_in(), partial(tell_slowly, most))
        has_been_taken = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_one_more)
        await anyio.wait_all_tasks_blocked()
        assert not has_been_taken
        released.set()
    await all_told()

    assert sorted(told) == list(range(most + 1))


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_test_hears_of_a_request_before_it_returns(anyio_backend: str) -> None:
    """We promise it: where a process serves one client, as in tests of a project."""
    own = ThreadPool("test-telling", "PERMISSION_WORKERS", purpose="receivers")
    told: list[str] = []

    await tell(request_in(own), lambda: told.append("once"))

    assert told == ["once"]
