"""How receivers are told of several requests: together where that is quick."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from mcp_django.bulkheads.threads import ThreadPool
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.telling import tell_together
from tests.patience import PATIENCE_SECONDS
from tests.server.calls import Caller

T = TypeVar("T")

name: ContextVar[str] = ContextVar("name")


class CountingPool(ThreadPool):
    """Counts how often something goes to a thread."""

    def __init__(self) -> None:
        super().__init__("test-telling", "PERMISSION_WORKERS", purpose="receivers")
        self.count = 0

    def run(self, function: Callable[[], T], **named: Any) -> Coroutine[Any, Any, T]:
        self.count += 1
        return super().run(function, **named)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture
def request_of_pool() -> Request:
    request = Caller(Server("shop")).request("tools/list")
    request.threads = CountingPool()
    return request


def take(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def learn_pace(request: Request, seconds: float) -> None:
    """Let receivers take so long, often enough for that to be known."""
    for _ in range(60):
        await tell_together(request, lambda: take(seconds))


async def test_requests_that_end_together_take_one_way_to_a_thread(
    request_of_pool: Request,
) -> None:
    """We chose it: the way takes longer than most receivers. Each has its context."""
    request, told = request_of_pool, []
    assert isinstance(request.threads, CountingPool)

    async def tell(own_name: str) -> None:
        name.set(own_name)
        await tell_together(request, lambda: told.append(name.get()))
        assert own_name in told

    await learn_pace(request, 0)
    request.threads.count = 0
    names = [f"request {number}" for number in range(40)]
    async with anyio.create_task_group() as tasks:
        for each in names:
            tasks.start_soon(tell, each)

    assert sorted(told) == sorted(names)
    assert request.threads.count < len(names) / 2


async def test_slow_receivers_run_side_by_side(request_of_pool: Request) -> None:
    """We promise it: one that waits for a database holds up no other one."""
    both = threading.Barrier(2)
    await learn_pace(request_of_pool, 0)
    await tell_together(request_of_pool, lambda: take(0.01))

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(
                tell_together, request_of_pool, lambda: both.wait(PATIENCE_SECONDS)
            )

    assert not both.broken


async def test_request_is_told_of_though_the_one_it_goes_with_is_cancelled(
    request_of_pool: Request,
) -> None:
    """We promise it."""
    told: list[str] = []
    scope = anyio.CancelScope()
    await learn_pace(request_of_pool, 0)

    async def tell_first() -> None:
        with scope:
            await tell_together(request_of_pool, lambda: told.append("first"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_first)
        tasks.start_soon(tell_together, request_of_pool, lambda: told.append("second"))
        await checkpoint()
        scope.cancel()

    assert told.count("second") == 1
