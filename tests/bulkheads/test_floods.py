"""What libraries log again and again: one line a minute."""

import logging
from collections.abc import Iterator

import pytest

from mcp_django.bulkheads.fault_lines import FaultLines
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.floods import OnceAMinute
from tests.bulkheads.clocks import Clock

logger = logging.getLogger("tests.bulkheads.floods")


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Give the clock of a filter that the logger has."""
    clock = Clock()
    once = OnceAMinute("no answer", FaultLog(logger.name, FaultLines(clock)))
    logger.addFilter(once)
    yield clock
    logger.removeFilter(once)


def fail() -> None:
    """Log an exception as libraries do."""
    try:
        raise ConnectionError("away")
    except ConnectionError:
        logger.exception("no answer\nfrom %s", "Redis")


def test_one_record_a_minute_passes_in_one_line(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: with the error, and how many more there were."""
    for _ in range(5):
        fail()
    clock.now += 61
    fail()
    assert caplog.messages == [
        "no answer: ConnectionError('away')",
        "no answer: ConnectionError('away') (4 more like it in the last minute)",
    ]
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.usefixtures("clock")
def test_other_records_pass_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: also those with a traceback."""
    for _ in range(2):
        logger.error("%s happened", "something else", exc_info=ValueError("no"))
    assert caplog.messages == ["something else happened"] * 2
    assert all(record.exc_info for record in caplog.records)
