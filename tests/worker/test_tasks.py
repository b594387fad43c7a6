"""Where handlers run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked

from mcp_django.worker.tasks import GroupTasks, LoopTasks, Tasks
from tests import patience

PATIENCE_SECONDS = patience.PATIENCE_SECONDS


@asynccontextmanager
async def tasks_of_a_group() -> AsyncIterator[Tasks]:
    async with anyio.create_task_group() as group:
        yield GroupTasks(group)
        group.cancel_scope.cancel()


@asynccontextmanager
async def tasks_of_the_loop() -> AsyncIterator[Tasks]:
    tasks = LoopTasks()
    yield tasks
    await tasks.end()


BOTH = pytest.mark.parametrize("make", [tasks_of_a_group, tasks_of_the_loop])
MakeTasks: TypeAlias = Callable[[], AbstractAsyncContextManager[Tasks]]


class Work:
    """Something to do, and what became of it."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.go_on = anyio.Event()

    async def run(self) -> None:
        self.steps.append("begun")
        try:
            await self.go_on.wait()
            self.steps.append("ready")
        except BaseException:
            self.steps.append("cancelled")
            raise

    def done(self) -> None:
        self.steps.append("done")

    async def until(self, step: str) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while step not in self.steps:
                await anyio.lowlevel.checkpoint()


@BOTH
async def test_work_is_done_in_a_task_of_its_own(make: MakeTasks) -> None:
    """Our choice: what starts it goes on at once."""
    work = Work()
    async with make() as tasks:
        cancel = tasks.start(work.run(), work.done)
        assert work.steps == []
        work.go_on.set()
        await work.until("done")
        cancel()
        assert not tasks.is_ending
    assert work.steps == ["begun", "ready", "done"]


@BOTH
async def test_one_task_is_cancelled_and_the_others_go_on(make: MakeTasks) -> None:
    """Our choice: a client cancels one request."""
    work, other = Work(), Work()
    async with make() as tasks:
        cancel = tasks.start(work.run(), work.done)
        tasks.start(other.run(), other.done)
        await work.until("begun")
        cancel()
        await work.until("done")
        other.go_on.set()
        await other.until("done")
    assert work.steps == ["begun", "cancelled", "done"]
    assert other.steps == ["begun", "ready", "done"]


@BOTH
async def test_task_cancelled_before_it_began_is_done(make: MakeTasks) -> None:
    """Our choice: nothing waits for ever for what never began."""
    work = Work()
    async with make() as tasks:
        tasks.start(work.run(), work.done)()
        await work.until("done")
    assert work.steps == ["done"]


@BOTH
async def test_all_tasks_end_together(make: MakeTasks) -> None:
    """Our choice: no client waits for the answers any more."""
    works = [Work() for _ in range(3)]
    async with make() as tasks:
        for work in works:
            tasks.start(work.run(), work.done)
        await wait_all_tasks_blocked()
    for work in works:
        assert work.steps == ["begun", "cancelled", "done"]


async def test_nothing_begins_while_the_tasks_of_the_loop_end() -> None:
    """Our choice: the end of one would begin the next, and so on."""
    tasks = LoopTasks()
    first, second = Work(), Work()

    def begin_next() -> None:
        tasks.start(second.run(), second.done)

    tasks.start(first.run(), begin_next)
    await first.until("begun")
    await tasks.end()
    assert tasks.is_ending
    await wait_all_tasks_blocked()
    assert first.steps == ["begun", "cancelled"]
    assert second.steps == []


async def test_end_waits_until_the_tasks_of_the_loop_are_over() -> None:
    """Our choice: what a handler does at last is done before its stream ends."""
    tasks = LoopTasks()
    steps: list[str] = []

    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    tasks.start(clean_up(), lambda: None)
    await wait_all_tasks_blocked()
    await tasks.end()
    assert steps == ["cleaned up"]


async def test_group_s_owner_ends_its_tasks() -> None:
    """Our choice: `end` leaves them alone."""
    work = Work()
    async with anyio.create_task_group() as group:
        tasks = GroupTasks(group)
        tasks.start(work.run(), work.done)
        await tasks.end()
        await wait_all_tasks_blocked()
        assert work.steps == ["begun"]
        assert not tasks.is_ending
        group.cancel_scope.cancel()
        assert tasks.is_ending


async def test_group_ends_as_well_when_an_outer_scope_is_cancelled() -> None:
    """Our choice: who owns the owner counts."""
    seen: list[bool] = []
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            tasks = GroupTasks(group)
            scope.cancel()
            seen.append(tasks.is_ending)
    assert seen == [True]
