"""The outermost coroutine of a task: what it passes on, and when it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import anyio.to_thread
import pytest

from mcp_django.bulkheads.steps import outermost, rest_of
from mcp_django.bulkheads.strays import Stray

Run: TypeAlias = Callable[[Coroutine[Any, Any, str]], Coroutine[Any, Any, str]]


def fail(error: BaseException) -> Any:
    raise error


async def in_two_parts(coroutine: Coroutine[Any, Any, str]) -> str:
    """Run it until it waits, and then the rest."""
    return await rest_of(coroutine, coroutine.send(None))


async def test_generator_exit_of_a_thread_is_an_error_like_others() -> None:
    """We promise it: whoever waits for the thread can answer, and await for that."""
    error = GeneratorExit()

    async def answer() -> str:
        try:
            await anyio.to_thread.run_sync(fail, error)
        except Stray as stray:
            await asyncio.sleep(0)
            assert stray.__cause__.__class__ is GeneratorExit
            return "answered"
        return "not raised"

    async def call() -> str:
        return await answer()

    assert await asyncio.create_task(outermost(call())) == "answered"


@pytest.mark.parametrize("error", [GeneratorExit(), ValueError("no"), SystemError()])
async def test_what_it_runs_may_raise_itself_passes(error: BaseException) -> None:
    """Chosen: nothing else is changed."""

    async def call() -> None:
        await asyncio.sleep(0)
        raise error

    task = asyncio.create_task(outermost(call()))
    await asyncio.wait([task])
    assert task.exception() is error


@pytest.mark.parametrize("run", [outermost, in_two_parts])
async def test_values_errors_and_cancellations_pass_both_ways(run: Run) -> None:
    """Chosen: a task cannot tell the difference."""
    waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    broken.set_exception(LookupError("here"))

    async def call() -> str:
        try:
            await broken
        except LookupError:
            said = await waiting
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return f"{said}, cancelled"
        return "not cancelled"

    task = asyncio.create_task(run(call()))
    waiting.get_loop().call_soon(waiting.set_result, "value")
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    assert await task == "value, cancelled"


async def test_what_ends_at_the_first_error_has_its_result() -> None:
    """Chosen: as when it is awaited at once."""

    async def call() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "cancelled"
        return "not cancelled"

    task = asyncio.create_task(in_two_parts(call()))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cancelled"


@pytest.mark.parametrize("run", [outermost, in_two_parts])
async def test_closing_it_closes_what_it_runs(run: Run) -> None:
    """Chosen: as at the end of the event loop."""
    closed: list[str] = []

    async def call() -> str:
        try:
            await asyncio.sleep(0)
        except GeneratorExit:
            closed.append("closed")
            raise
        return "not closed"

    running = run(call())
    running.send(None)
    # Not by its own task, which would be its future.
    await asyncio.create_task(close(running))
    assert closed == ["closed"]


async def close(running: Any) -> None:
    running.close()
