"""Threads that are lent to code on the event loop."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError, connections
from pytest_django import Settings

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.lent_threads import LentThreads
from mcp_django.bulkheads.strays import Stray
from mcp_django.bulkheads.task_contexts import own_context
from tests.bulkheads.clocks import Clock
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS
from tests.worker.layers import until


@pytest.fixture
def threads() -> LentThreads:
    """Lend two threads."""
    return LentThreads("test", lambda: 2)


async def this_thread() -> threading.Thread:
    """Give the thread that asgiref uses now."""
    return await sync_to_async(threading.current_thread)()


class Owned:
    """What belongs to somebody."""

    def __init__(self, owner: str) -> None:
        self.owner = owner


class Holding:
    """Keeps threads busy until the end of a test."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def hold(self, threads: LentThreads, owned: Owned | None = None) -> None:
        """Keep one more thread busy."""
        begun = threading.Event()

        def wait() -> None:
            begun.set()
            self.may_end.wait(PATIENCE_SECONDS)

        async def run() -> None:
            with threads.run(owned):
                await sync_to_async(wait)()

        self._tasks.add(asyncio.create_task(run()))
        assert await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)


@pytest.fixture
def holding() -> Iterator[Holding]:
    holding = Holding()
    yield holding
    holding.may_end.set()


async def test_run_has_one_thread_that_serves_the_next_one_too(
    threads: LentThreads,
) -> None:
    """Our choice: so persistent connections are worth having."""
    used = []
    for _ in range(3):
        with threads.run():
            used += [await this_thread(), await this_thread()]
    assert len(set(used)) == 1
    assert used[0].daemon
    assert await this_thread() not in used


async def test_runs_side_by_side_have_threads_of_their_own(
    threads: LentThreads,
) -> None:
    """Our choice: as long as there are so many."""

    async def run() -> threading.Thread:
        with threads.run():
            used.append(await this_thread())
            await both.wait()
            return await this_thread()

    used: list[threading.Thread] = []
    both = asyncio.Barrier(2)
    again = await asyncio.gather(run(), run())
    assert len(set(used)) == 2
    assert set(again) == set(used)


async def test_more_runs_than_threads_share_them(threads: LentThreads) -> None:
    """Our choice: there are as many connections as threads, and no run waits for
    another one to end."""

    async def run() -> threading.Thread:
        with threads.run():
            thread = await this_thread()
            await all_of_them.wait()
            assert await this_thread() is thread
            return thread

    all_of_them = asyncio.Barrier(50)
    async with asyncio.timeout(PATIENCE_SECONDS):
        used = await asyncio.gather(*(run() for _ in range(50)))
    assert len(set(used)) == 2
    assert used.count(used[0]) == 25


async def test_run_within_a_run_is_a_part_of_it(threads: LentThreads) -> None:
    """Our choice: of other threads it is one of its own."""
    with threads.run():
        outer = await this_thread()
        with threads.run():
            assert await this_thread() is outer
        with LentThreads("other", lambda: 1).run():
            assert await this_thread() is not outer
        assert await this_thread() is outer


async def test_run_goes_before_the_thread_of_a_request(threads: LentThreads) -> None:
    """asgiref: else the outer of two contexts counts."""
    async with ThreadSensitiveContext():
        of_request = await this_thread()
        with threads.run():
            assert await this_thread() is not of_request
        assert await this_thread() is of_request


def test_thread_that_waits_for_the_event_loop_is_used(threads: LentThreads) -> None:
    """asgiref: so code is in the transaction of a test that calls it."""

    async def run() -> set[threading.Thread]:
        with threads.run():
            here = await this_thread()
            in_task = await asyncio.create_task(this_thread(), context=own_context())
            return {here, in_task}

    assert async_to_sync(run)() == {threading.current_thread()}


async def test_thread_of_a_run_may_wait_for_the_event_loop(
    threads: LentThreads,
) -> None:
    """asgiref: it works for what it waits for."""
    with threads.run():
        outer, inner = await sync_to_async(
            lambda: (threading.current_thread(), async_to_sync(this_thread)())
        )()
    assert outer is inner


async def test_task_that_outlives_its_run_finds_a_thread(threads: LentThreads) -> None:
    """Our choice: a handler may start something and go."""
    may_go_on = asyncio.Event()

    async def outlive() -> threading.Thread:
        await may_go_on.wait()
        return await this_thread()

    with threads.run():
        of_run = await this_thread()
        task = asyncio.create_task(outlive())
    may_go_on.set()
    assert await task is of_run  # it is free again


async def test_thread_that_is_stuck_is_no_longer_lent(holding: Holding) -> None:
    """Our choice: what hangs in all threads keeps nobody else from the ORM."""
    clock = Clock()
    threads = LentThreads("test", lambda: 2, clock=clock)
    for _ in range(2):
        await holding.hold(threads)
    clock.now += 6
    async with asyncio.timeout(SOON_SECONDS):
        with threads.run():
            await this_thread()


async def test_run_whose_thread_gets_stuck_goes_on_in_another_one(
    holding: Holding,
) -> None:
    """Our choice: it may share the thread with one that hangs."""
    clock = Clock()
    threads = LentThreads("test", lambda: 1, clock=clock)
    with threads.run():
        shared = await this_thread()
        await holding.hold(threads)
        clock.now += 6
        async with asyncio.timeout(SOON_SECONDS):
            assert await this_thread() is not shared


async def test_one_owner_has_half_of_the_threads(holding: Holding) -> None:
    """Our choice: what one user lets hang keeps nobody else from the ORM."""
    threads = LentThreads("test", lambda: 4)
    for _ in range(2):
        await holding.hold(threads, Owned("ann"))
    waiting = asyncio.create_task(run_of(threads, Owned("ann")))
    async with asyncio.timeout(SOON_SECONDS):
        for _ in range(3):
            await run_of(threads, Owned("bob"))
    assert not waiting.done()
    holding.may_end.set()
    await waiting


async def test_call_that_waits_behind_one_that_hangs_goes_to_another_thread(
    holding: Holding,
) -> None:
    """Our choice: nobody knew yet that it would hang."""
    threads = LentThreads("test", lambda: 1, stuck_seconds=0.05)
    await holding.hold(threads)
    async with asyncio.timeout(SOON_SECONDS):
        await run_of(threads)


async def run_of(threads: LentThreads, owned: Owned | None = None) -> threading.Thread:
    """Give the thread of a run."""
    with threads.run(owned):
        return await this_thread()


async def test_stop_iteration_in_a_thread_hangs_nobody(threads: LentThreads) -> None:
    """Our choice: no future of asyncio can carry it."""
    with threads.run(), pytest.raises(Stray):
        await sync_to_async(lambda: next(iter(())))()


# Connections ------------------------------------------------------------------------


class Connection:
    """A connection of Django's, as far as it is looked after.

    Attributes:
        looked_after: How often it was.
        closed: How often it was closed for being broken.
        works: Whether the database still knows of it.
    """

    def __init__(self) -> None:
        self.connection = object()
        self.errors_occurred = False
        self.in_atomic_block = False
        self.works = True
        self.looked_after = 0
        self.closed = 0

    def is_usable(self) -> bool:
        """Say whether it works."""
        return self.works

    def close(self) -> None:
        """Close it."""
        self.closed += 1

    def close_if_unusable_or_obsolete(self) -> None:
        """Look after it, as Django does at both ends of a request."""
        self.looked_after += 1


async def connected(given: Connection) -> None:
    """Let the thread of this run have a connection."""

    def connect() -> None:
        connections["default"] = given  # type: ignore[assignment]  # it is a stand-in

    await sync_to_async(connect)()


async def test_connections_are_looked_after_at_both_ends_of_a_run() -> None:
    """Django: as at those of a request."""
    threads, given = LentThreads("test", lambda: 1), Connection()
    with threads.run():
        await connected(given)
        await this_thread()
        assert given.looked_after == 0
    await until(lambda: given.looked_after == 1)
    with threads.run():
        await this_thread()
        assert given.looked_after == 2
        await this_thread()
        assert given.looked_after == 2


async def test_connection_is_looked_after_although_nobody_follows() -> None:
    """Our choice: with CONN_MAX_AGE=0 none stays open."""
    looked_after = threading.Event()

    class Noting(Connection):
        def close_if_unusable_or_obsolete(self) -> None:
            looked_after.set()

    with LentThreads("test", lambda: 1).run():
        await connected(Noting())
        assert not looked_after.is_set()
    assert await asyncio.to_thread(looked_after.wait, PATIENCE_SECONDS)


async def test_connection_of_a_shared_thread_is_closed_only_if_it_is_broken() -> None:
    """Our choice: another run may be in the middle of reading from it."""
    threads, given = LentThreads("test", lambda: 1), Connection()

    async def other() -> None:
        with threads.run():
            await this_thread()

    with threads.run():
        await connected(given)
        await asyncio.create_task(other(), context=own_context())
        given.errors_occurred = True
        await asyncio.create_task(other(), context=own_context())
        await this_thread()
        assert (given.looked_after, given.closed) == (0, 0)
        given.works = False
        await asyncio.create_task(other(), context=own_context())
        assert (given.looked_after, given.closed) == (0, 1)


async def test_failure_to_look_after_a_connection_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice."""

    class Failing(Connection):
        def close_if_unusable_or_obsolete(self) -> None:
            raise OSError("gone")

    threads = LentThreads("test", lambda: 1)
    with threads.run():
        await connected(Failing())
        used = await this_thread()
    with threads.run():
        assert await this_thread() is used
        await connected(Connection())
    assert (
        caplog.messages[0]
        == "database connections of a thread cannot be looked after; see the error"
    )


@pytest.mark.django_db(transaction=True)
async def test_database_that_answers_async_code_again_is_said_to(
    threads: LentThreads, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: also where nobody else asks that database."""
    settings.MCP = {}
    assert databases.note(OperationalError("the server closed the connection"))

    with threads.run():
        assert await User.objects.acount() == 0

    async with asyncio.timeout(PATIENCE_SECONDS):
        await until(lambda: len(caplog.messages) == 2)
    assert caplog.messages[1] == (
        "the database 'default' answers again, after 0 seconds and 1 failure"
    )
