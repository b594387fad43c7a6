"""Threads that are shared fairly: who gets one, who waits, what is given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from mcp_django.bulkheads.fair_threads import FairThreads
from mcp_django.bulkheads.strays import Stray
from tests.bulkheads.submitting import submit
from tests.patience import PATIENCE_SECONDS


class Gate:
    """Something to run that begins, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.names: list[str] = []

    def __call__(self, name: str = "") -> Callable[[], str]:
        """Give a function that waits here."""

        def wait() -> str:
            self.names.append(name)
            self.begun.release()
            assert self.open.wait(PATIENCE_SECONDS)
            return name

        return wait

    def wait_for(self, count: int) -> None:
        """Return when so many more have begun."""
        for _ in range(count):
            assert self.begun.acquire(timeout=PATIENCE_SECONDS)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a gate, which is open at the end."""
    gate = Gate()
    yield gate
    gate.open.set()


async def run(threads: FairThreads, function: Callable[[], Any]) -> Any:
    """Run a function for nobody in particular, and wait for it."""
    return await threads.run(function, what=lambda: "a test")


def held_by(threads: FairThreads, owner: str) -> int:
    """Count the threads that somebody holds."""
    return sum(one.owner == owner for one in threads.held())


@pytest.mark.parametrize(
    ("size", "share"), [(1, 1), (2, 1), (3, 2), (4, 2), (16, 8), (32, 16)]
)
def test_owner_alone_gets_half(size: int, share: int, gate: Gate) -> None:
    """Chosen: the rest is for whoever comes next."""
    threads = FairThreads("test", size)

    for _ in range(2 * size):
        submit(threads, gate(), "ann")

    assert held_by(threads, "ann") == share


def test_each_further_owner_gets_half_of_the_rest(gate: Gate) -> None:
    """Chosen: so that there is one left for a newcomer."""
    threads = FairThreads("test", 16)
    owners = ["ann", "bob", "cy", "dee", "eve"]

    for owner in owners:
        for _ in range(20):
            submit(threads, gate(), owner)

    assert [held_by(threads, owner) for owner in owners] == [8, 4, 2, 1, 1]


def test_nobody_in_particular_gets_all(gate: Gate) -> None:
    """Chosen: where there is one client only, nothing has to be shared."""
    threads = FairThreads("test", 4)

    for _ in range(5):
        submit(threads, gate())

    assert len(threads.held()) == 4
    queue = threads.queue
    assert queue is not None
    assert queue.length == 1


def test_owners_take_turns(gate: Gate) -> None:
    """Chosen: what came first of each, whoever has how much waiting."""
    threads = FairThreads("test", 1)
    order: list[str] = []
    submit(threads, gate(), "eve")
    gate.wait_for(1)

    waiting = [
        submit(threads, partial(order.append, owner + name), owner)
        for owner in ("ann", "bob")
        for name in "123"
    ]
    gate.open.set()

    for future in waiting:
        future.result(PATIENCE_SECONDS)
    assert order == ["ann1", "bob1", "ann2", "bob2", "ann3", "bob3"]


def test_what_was_cancelled_is_never_run(gate: Gate) -> None:
    """Chosen: whoever asked for it has gone."""
    threads = FairThreads("test", 2)
    submit(threads, gate(), "ann")
    waiting = submit(threads, gate("cancelled"), "ann")
    following = submit(threads, gate("following"), "ann")
    gate.wait_for(1)

    assert waiting.cancel()
    queue = threads.queue
    assert queue is not None
    assert queue.length == 1
    gate.open.set()

    assert following.result(PATIENCE_SECONDS) == "following"
    assert gate.names == ["", "following"]
    assert threads.queue is None


def test_given_up_thread_keeps_its_place(gate: Gate) -> None:
    """Chosen: else a client that comes and goes would have any number of threads."""
    threads = FairThreads("test", 1)
    running = submit(threads, gate(), "ann")
    gate.wait_for(1)

    assert not running.cancel()
    submit(threads, gate(), "bob")

    [held] = threads.held()
    assert held.owner == "ann"
    assert held.is_given_up
    assert threads.queue is not None


def test_given_up_threads_are_replaced_where_wanted(gate: Gate) -> None:
    """Chosen: authenticators that hang must not keep everybody out; up to a bound."""
    threads = FairThreads("test", 2, replaces=True)
    given_up = []
    for _ in range(34):
        future = submit(threads, gate())
        gate.wait_for(1)
        assert not future.cancel()
        given_up.append(future)

    last = submit(threads, gate("last"))

    assert len(threads.held()) == 34
    assert threads.queue is not None
    gate.open.set()
    assert last.result(PATIENCE_SECONDS) == "last"
    for future in given_up:
        assert future.result(PATIENCE_SECONDS) == ""
    assert submit(threads, lambda: "works").result(PATIENCE_SECONDS) == "works"


def test_queue_goes_on_when_a_thread_is_given_up(gate: Gate) -> None:
    """Chosen: as above."""
    threads = FairThreads("test", 1, replaces=True)
    running = submit(threads, gate())
    gate.wait_for(1)
    waiting = submit(threads, lambda: "done")

    running.cancel()

    assert waiting.result(PATIENCE_SECONDS) == "done"


def test_extra_thread_is_beyond_the_number(gate: Gate) -> None:
    """Chosen: a thread of the pool waits for it."""
    threads = FairThreads("test", 1)
    submit(threads, gate(), "ann")
    gate.wait_for(1)

    extra = submit(threads, lambda: "done", "ann", is_extra=True)

    assert extra.result(PATIENCE_SECONDS) == "done"


def test_one_after_the_other_takes_one_thread() -> None:
    """Chosen: threads keep database connections, so that few are better."""
    threads = FairThreads("test", 8)
    idents = {
        submit(threads, threading.get_ident, "ann").result(PATIENCE_SECONDS)
        for _ in range(200)
    }
    assert len(idents) == 1


def test_threads_are_never_waited_for() -> None:
    """We promise it: a handler that never returns does not hold up the process."""
    threads = FairThreads("test", 1)
    thread = submit(threads, threading.current_thread).result(PATIENCE_SECONDS)
    assert thread.daemon


@pytest.mark.parametrize("is_submitted", [True, False])
@pytest.mark.parametrize(
    "error", [ValueError(), StopIteration(), SystemExit(), GeneratorExit()], ids=repr
)
async def test_what_is_raised_is_told_to_a_task(
    error: BaseException, is_submitted: bool
) -> None:
    """Chosen: whatever its class, nobody waits for ever; and the thread goes on."""
    threads = FairThreads("test", 1)

    def fail() -> None:
        raise error

    async def told() -> BaseException | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if is_submitted:
                    await asyncio.wrap_future(submit(threads, fail))
                else:
                    await run(threads, fail)
        except BaseException as raised:
            return raised
        return None

    raised = await told()
    if isinstance(error, StopIteration | GeneratorExit):  # which would not arrive
        assert isinstance(raised, Stray)
        assert raised.__cause__ is error
    else:
        assert raised is error
    assert await run(threads, lambda: 1) == 1


async def test_awaited_function_keeps_its_thread() -> None:
    """Chosen: whoever is told, and asks again, finds the connections of before."""
    threads = FairThreads("test", 8)
    idents = {await run(threads, threading.get_ident) for _ in range(200)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


async def test_awaited_function_that_was_given_up_is_replaced(gate: Gate) -> None:
    """Chosen: what never comes back costs nobody else anything."""
    threads = FairThreads("test", 1, replaces=True)
    hanging = asyncio.create_task(run(threads, gate("hanging")))
    await asyncio.to_thread(gate.wait_for, 1)
    unwanted = asyncio.create_task(run(threads, gate("unwanted")))
    waiting = asyncio.create_task(run(threads, lambda: "done"))
    await asyncio.sleep(0)  # so that they wait for a thread

    for task in (unwanted, hanging):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await waiting == "done"
    assert gate.names == ["hanging"]


def test_thread_whose_task_has_ended_goes_on(gate: Gate) -> None:
    """Chosen: event loops end, as those of tests do, and threads are left."""
    threads = FairThreads("test", 1)

    async def leave() -> None:
        task = asyncio.create_task(run(threads, gate()))
        await asyncio.to_thread(gate.wait_for, 1)
        task.cancel()

    asyncio.run(leave())
    gate.open.set()

    assert submit(threads, lambda: 1).result(PATIENCE_SECONDS) == 1


def test_threads_end_when_they_are_closed(gate: Gate) -> None:
    """Chosen: idle ones at once, others after what they run."""
    threads = FairThreads("test", 2)
    idle = submit(threads, threading.current_thread).result(PATIENCE_SECONDS)
    busy = [submit(threads, gate()) for _ in range(2)]
    gate.wait_for(2)
    waiting = submit(threads, threading.current_thread)

    threads.close()
    assert idle.is_alive()
    gate.open.set()

    for thread in (idle, waiting.result(PATIENCE_SECONDS)):
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    assert [future.result(PATIENCE_SECONDS) for future in busy] == ["", ""]


def test_idle_threads_end_at_once_when_they_are_closed() -> None:
    """Chosen: as above; whoever comes late is served nevertheless."""
    threads = FairThreads("test", 2)
    idle = submit(threads, threading.current_thread).result(PATIENCE_SECONDS)

    threads.close()

    idle.join(PATIENCE_SECONDS)
    assert not idle.is_alive()
    assert submit(threads, lambda: 1).result(PATIENCE_SECONDS) == 1


def test_nothing_is_lost_when_many_owners_come_and_go() -> None:
    """Chosen: each of many is run once, and all threads are free at the end."""
    threads = FairThreads("test", 5)
    done = threading.Semaphore(0)

    def submit_all(owner: str) -> None:
        for number in range(300):
            future = submit(threads, done.release, owner)
            if number % 7 == 0 and future.cancel():
                done.release()

    submitters = [
        threading.Thread(target=submit_all, args=(str(number % 5),))
        for number in range(8)
    ]
    for submitter in submitters:
        submitter.start()
    for submitter in submitters:
        submitter.join()
    for _ in range(8 * 300):
        assert done.acquire(timeout=PATIENCE_SECONDS)

    assert threads.queue is None
    barrier = threading.Barrier(5)
    together = [
        submit(threads, lambda: barrier.wait(PATIENCE_SECONDS)) for _ in "12345"
    ]
    for future in together:
        future.result(PATIENCE_SECONDS)
