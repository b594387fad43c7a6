"""Things that happen often: one line a minute, with their number."""

import logging

import pytest

from mcp_django.bulkheads.counted import Counted

logger = logging.getLogger("tests.bulkheads.counted")


def test_what_happens_often_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: with how often since the last line; nothing is lost of the count."""
    now = 0.0
    counted = Counted(logger, "%d were lost", clock=lambda: now)
    counted.note(0)
    for _ in range(10):
        counted.note(3)
    assert caplog.messages == ["3 were lost"]
    now = 61.0
    counted.note(0)
    counted.note(0)
    assert caplog.messages == ["3 were lost", "27 were lost"]
