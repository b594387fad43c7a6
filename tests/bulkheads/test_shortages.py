"""What stands in the log while work waits for a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mcp_django.bulkheads.fair_threads import FairThreads, Held
from mcp_django.bulkheads.fault_lines import FaultLines
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.shortages import Shortage, summary_of
from tests.bulkheads.clocks import Clock
from tests.bulkheads.submitting import submit
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(clock: Clock) -> FairThreads:
    return FairThreads("test", 2, clock=clock)


@pytest.fixture
def shortage(threads: FairThreads, clock: Clock) -> Shortage:
    logger = FaultLog("mcp_django.tests", FaultLines(clock))
    return Shortage(logger, "threads for tests", threads)


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Give what lets threads go; set at the end."""
    event = threading.Event()
    yield event
    event.set()


def test_long_wait_is_one_line_a_minute_and_one_at_the_end(
    threads: FairThreads,
    shortage: Shortage,
    clock: Clock,
    go_on: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: it names what holds the threads, for whom, and for how long."""
    hanging, waiting = [
        submit(
            threads,
            lambda: go_on.wait(PATIENCE_SECONDS),
            "7",
            what="tools/call 'hang'",
        )
        for _ in range(2)
    ]
    assert shortage.look()
    assert caplog.messages == []

    hanging.cancel()
    for _ in range(45):
        clock.now += 2
        assert shortage.look()
    go_on.set()
    waiting.result(PATIENCE_SECONDS)

    assert not shortage.look()
    assert caplog.messages == [
        "there are not enough threads for tests: 1 waiting, the first for 4 seconds"
        "; they are held by tools/call 'hang' of user '7' (for 4 seconds, 1 given "
        "up)",
        "there are not enough threads for tests: 1 waiting, the first for 64 seconds"
        "; they are held by tools/call 'hang' of user '7' (for 64 seconds, 1 given "
        "up)",
        "there are enough threads for tests again",
    ]


def test_short_wait_is_not_worth_a_line(
    threads: FairThreads,
    shortage: Shortage,
    clock: Clock,
    go_on: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: a queue is there to be used."""
    for _ in range(3):
        submit(threads, lambda: go_on.wait(PATIENCE_SECONDS))
    clock.now += 2

    assert shortage.look()
    assert caplog.messages == []


def test_summary_puts_together_what_is_alike() -> None:
    """Chosen: the most of one kind first, and few kinds."""
    held = [
        *[Held("tools/call 'hang'", "1", seconds, False) for seconds in (9.0, 3.0)],
        *[Held(f"tools/call '{name}'", None, 1.0, False) for name in "abcdef"],
        Held("tools/call 'hang'", "1", 1.0, True),
    ]
    assert summary_of(held) == (
        "3 times tools/call 'hang' of user '1' (for 9 seconds, 1 given up), "
        "tools/call 'a' (for 1 seconds), tools/call 'b' (for 1 seconds), "
        "tools/call 'c' (for 1 seconds), tools/call 'd' (for 1 seconds), 2 more"
    )
    assert summary_of([]) == "nothing"
