"""What stands in the log while a service fails."""

from __future__ import annotations

import pytest

from mcp_django.bulkheads.fault_lines import FaultLines
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.outages import Outage
from tests.bulkheads.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock) -> Outage:
    logger = FaultLog("mcp_django.tests", FaultLines(clock))
    return Outage(logger, "the cache 'default'", "sessions are refused", clock=clock)


def test_many_failures_are_one_line_a_minute_and_one_at_the_end(
    outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a line that names service, effect and error; then counts."""
    for _ in range(12):
        for _ in range(100):
            outage.note(ConnectionError("refused"))
        clock.now += 10
    outage.end()
    outage.end()

    assert caplog.messages == [
        "the cache 'default' does not answer: sessions are refused "
        "(ConnectionError('refused'))",
        "the cache 'default' does not answer: sessions are refused "
        "(ConnectionError('refused')) (599 more like it in the last minute)",
        "the cache 'default' answers again, after 120 seconds and 1200 failures",
    ]


def test_outage_goes_on_while_there_are_failures(outage: Outage, clock: Clock) -> None:
    """Chosen: nobody may have asked since, and it may be over."""
    assert not outage.is_going_on
    outage.note(ConnectionError("refused"))
    assert outage.is_going_on
    clock.now += 60
    assert not outage.is_going_on
    outage.note(ConnectionError("refused"))
    assert outage.is_going_on
    outage.end()
    assert not outage.is_going_on


def test_service_that_comes_and_goes_is_no_flood(
    outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what fails again within the minute is counted with the same."""
    for _ in range(59):
        outage.note(ConnectionError("refused"))
        outage.end()
        clock.now += 1
    assert len(caplog.messages) == 2

    clock.now += 1
    outage.note(ConnectionError("refused"))

    assert "(58 more like it in the last minute)" in caplog.messages[2]


def test_what_works_says_nothing(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: asked on the way of every request."""
    outage.end()

    assert not outage.is_on
    assert caplog.messages == []
