"""Threads that may hang."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mcp_django.bulkheads.strays import Stray
from mcp_django.bulkheads.threads import Threads
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS


class Hanging:
    """A function that hangs until the test lets it go."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> str:
        """Hang."""
        self.thread = threading.current_thread()
        self.has_begun.set()
        assert self.may_end.wait(PATIENCE_SECONDS)
        return "late"


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    """Give threads of which there is one."""
    threads = Threads("test", lambda: 1)
    yield threads
    threads.close()


async def begin(threads: Threads, function: Callable[[], Any]) -> asyncio.Task[Any]:
    """Run a function, and wait until it runs."""
    task = asyncio.create_task(threads.run(function))
    if isinstance(function, Hanging):
        await asyncio.to_thread(function.has_begun.wait, PATIENCE_SECONDS)
    return task


async def give_up(task: asyncio.Task[Any]) -> None:
    """Cancel a task that waits for a thread."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_function_runs_in_a_thread_that_stays(threads: Threads) -> None:
    """Our choice: threads keep what is expensive, such as connections."""
    first = await threads.run(threading.get_ident)
    assert first == await threads.run(threading.get_ident) != threading.get_ident()


async def test_functions_wait_for_a_thread(threads: Threads) -> None:
    """Our choice: there are no more threads than allowed."""
    hanging = Hanging()
    one = await begin(threads, hanging)
    other = await begin(threads, threading.current_thread)
    hanging.may_end.set()
    assert await one == "late"
    assert await other is hanging.thread


async def test_thread_that_was_given_up_is_replaced(threads: Threads) -> None:
    """Our choice: one that never comes back costs nobody else anything."""
    hanging = Hanging()
    await give_up(await begin(threads, hanging))
    async with asyncio.timeout(SOON_SECONDS):
        assert await threads.run(threading.current_thread) is not hanging.thread
    hanging.may_end.set()
    assert hanging.thread is not None
    await asyncio.to_thread(hanging.thread.join, PATIENCE_SECONDS)
    assert not hanging.thread.is_alive()


async def test_thread_in_place_of_a_lost_one_takes_what_waits(threads: Threads) -> None:
    """Our choice."""
    hanging = Hanging()
    one = await begin(threads, hanging)
    other = asyncio.create_task(threads.run(threading.current_thread))
    await asyncio.sleep(0)  # so that it waits for a thread
    await give_up(one)
    async with asyncio.timeout(SOON_SECONDS):
        assert await other is not hanging.thread
    hanging.may_end.set()


async def test_function_that_was_given_up_before_it_ran_never_runs(
    threads: Threads,
) -> None:
    """Our choice: nobody wants its result."""
    hanging, ran = Hanging(), []
    one = await begin(threads, hanging)
    waiting = asyncio.create_task(threads.run(lambda: ran.append(1)))
    await asyncio.sleep(0)  # so that it waits for a thread
    await give_up(waiting)
    hanging.may_end.set()
    await one
    await threads.run(lambda: None)
    assert ran == []


async def test_threads_that_hang_are_bounded(threads: Threads) -> None:
    """Our choice: what hangs for ever must not take all memory."""
    hanging = Hanging()
    begun = threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        hanging()

    for _ in range(33):
        task = asyncio.create_task(threads.run(hang))
        await asyncio.to_thread(begun.acquire)
        await give_up(task)
    waiting = asyncio.create_task(threads.run(lambda: "done"))
    await asyncio.sleep(0)  # so that it waits for a thread
    assert not waiting.done()
    hanging.may_end.set()
    assert await waiting == "done"


@pytest.mark.parametrize(
    "error", [ValueError(), StopIteration(), SystemExit(), KeyboardInterrupt()]
)
async def test_whatever_a_function_raises_is_told(
    threads: Threads, error: BaseException
) -> None:
    """Our choice: no task hangs for it, and no event loop ends."""

    def fail() -> None:
        raise error

    with pytest.raises((ValueError, Stray)) as raised:
        await threads.run(fail)
    assert error in (raised.value, raised.value.__cause__)
    assert await threads.run(lambda: 1) == 1


def test_thread_that_hangs_does_not_keep_the_process_from_ending() -> None:
    """Our choice: a service manager would have to kill it."""
    program = """
import asyncio, threading
from mcp_django.bulkheads.threads import Threads

async def main():
    threads, begun = Threads("test", lambda: 1), threading.Event()
    def hang():
        begun.set()
        threading.Event().wait()
    task = asyncio.create_task(threads.run(hang))
    await asyncio.to_thread(begun.wait)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
