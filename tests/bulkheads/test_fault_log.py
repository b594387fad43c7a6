"""What stands in the log of faults that come again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from mcp_django.bulkheads.fault_lines import FaultLines
from mcp_django.bulkheads.fault_log import FaultLog
from tests.bulkheads.clocks import Clock
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock) -> Iterator[FaultLines]:
    """Give what knows what was said; its thread ends with the test."""
    lines = FaultLines(clock)
    yield lines
    lines.say_rest()


@pytest.fixture
def log(lines: FaultLines) -> FaultLog:
    return FaultLog("mcp_django.tests", lines)


def test_fault_is_said_at_once_and_then_once_a_minute_with_a_count(
    log: FaultLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the first line has all there is to know, and no flood follows."""
    said = []
    for second in range(130):
        said.append(log.warning("a door is open; shut it (%d)", second))
        clock.now += 1
    assert caplog.messages == [
        "a door is open; shut it (0)",
        "a door is open; shut it (60) (59 more like it in the last minute)",
        "a door is open; shut it (120) (59 more like it in the last minute)",
    ]
    assert [index for index, is_said in enumerate(said) if is_said] == [0, 60, 120]
    assert [record.__dict__["more"] for record in caplog.records] == [0, 59, 59]


def test_count_of_what_is_over_is_said_after_its_minute(
    log: FaultLog, lines: FaultLines, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: no count is lost because nothing more happens."""
    for _ in range(4):
        log.error("a door is open; shut it")
    clock.now += 64
    lines.say_due()
    assert len(caplog.messages) == 1
    clock.now += 1
    lines.say_due()
    lines.say_due()
    assert caplog.messages[1:] == [
        "a door is open; shut it (3 more like it in the last minute)"
    ]
    assert caplog.records[1].levelno == logging.ERROR


def test_thread_says_what_is_due(caplog: pytest.LogCaptureFixture) -> None:
    """Chosen: there is no event loop in a command, and not always a worker."""
    begun = threading.Event()

    def clock() -> float:
        if threading.current_thread().name == "mcp-fault-lines":
            begun.wait(PATIENCE_SECONDS)
            return 65.0
        return 0.0

    before = set(threading.enumerate())
    log = FaultLog("mcp_django.tests", FaultLines(clock))
    for _ in range(2):
        log.error("a door is open; shut it")
    [thread] = set(threading.enumerate()) - before
    assert len(caplog.messages) == 1
    begun.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert len(caplog.messages) == 2


def test_count_is_said_at_the_end_and_then_all_begins_anew(
    log: FaultLog, lines: FaultLines, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what a process that ends has counted is not lost."""
    for _ in range(3):
        log.error("a door is open; shut it")
    lines.say_rest()
    log.error("a door is open; shut it")
    lines.say_rest()
    assert caplog.messages == [
        "a door is open; shut it",
        "a door is open; shut it (2 more like it in the last minute)",
        "a door is open; shut it",
    ]


def fail(how: int) -> None:
    """Fail in one of two places; from deeper and deeper in the first."""
    if how > 0:
        fail(how - 1)
    elif how == 0:
        raise ValueError("no\nnews")
    raise ValueError("no")


def test_distinct_exceptions_are_distinct_kinds(
    log: FaultLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: by where they came from, for their texts may hold anything."""
    for how in (0, -1, 1, 2, 3, 0, -1):
        try:
            fail(how)
        except ValueError:
            log.exception("%s failed", "tools/call 'open'")
    assert len(caplog.messages) == 3  # at the top in two places, and deeper
    assert all(record.exc_info for record in caplog.records)


def test_causes_make_a_kind(log: FaultLog, caplog: pytest.LogCaptureFixture) -> None:
    """Chosen: what wraps all failures hides none."""
    for how in (0, -1, 0):
        try:
            try:
                fail(how)
            except ValueError as cause:
                raise RuntimeError from cause
        except RuntimeError:
            log.exception("a relayed message failed")
    assert len(caplog.messages) == 2


def test_what_a_fault_is_about_makes_a_kind_up_to_a_bound(
    log: FaultLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what clients make up fills no log, and no memory."""
    for number in range(1000):
        for _ in range(2):
            log.warning("%s refused", number, of=number)
    assert caplog.messages == [f"{number} refused" for number in range(51)]

    clock.now += 61
    log.warning("%s refused", "another", of="another")
    assert caplog.messages[51:] == [
        "another refused (1899 more like it in the last minute)"
    ]


def test_several_at_once_are_counted(
    log: FaultLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what is lost together is said together."""
    log.warning("a message is lost", times=5)
    log.warning("a message is lost", times=7)
    clock.now += 60
    log.warning("a message is lost", times=2)
    assert caplog.messages == [
        "a message is lost (4 more like it in the last minute)",
        "a message is lost (8 more like it in the last minute)",
    ]


class Unshowable:
    """A value of which no text can be made."""

    def __repr__(self) -> str:
        raise ValueError("no")


def test_values_cannot_begin_a_line(
    log: FaultLog, lines: FaultLines, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: as Django does; and a number stays one."""
    forged = "x\r\n2026-01-01 ERROR all is lost\x1b[31m\u2028ä"
    caplog.set_level(logging.DEBUG)
    log.debug("%s", forged)
    log.info("%s", forged)
    log.error("%s %r %.3s %d %.1f", forged, [forged], forged, 7, 2.5)
    log.error("%s %r %.3s %d %.1f", ValueError(forged), forged, forged, 7, 2.5)
    lines.say_rest()

    escaped = r"x\r\n2026-01-01 ERROR all is lost\x1b[31m\u2028\xe4"
    assert caplog.messages == [
        escaped,
        escaped,
        f"{escaped} ['{escaped}'] x\\r 7 2.5",
        f"{escaped} '{escaped}' x\\r 7 2.5",
        f"{escaped} '{escaped}' x\\r 7 2.5 (1 more like it in the last minute)",
    ]


def test_value_that_cannot_be_shown_keeps_nothing_from_going_on(
    log: FaultLog, lines: FaultLines, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a fault line must not be a fault."""
    for _ in range(2):
        log.warning("%r failed", Unshowable())
    lines.say_rest()
    assert caplog.messages == [
        "<Unshowable: ValueError in its text> failed",
        "<Unshowable: ValueError in its text> failed (1 more like it in the last "
        "minute)",
    ]
