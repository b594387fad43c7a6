"""Tags and filters for templates of pages."""

from __future__ import annotations

import pytest
from django.utils import translation

from mcp_django.templatetags.mcp_pages import mcp_duration, mcp_number


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, ""),
        (0.0, "0.0 ms"),
        (0.00234, "2.3 ms"),
        (0.157, "157 ms"),
        (1.0, "1.0 s"),
        (59.96, "60.0 s"),
        (600, "10 min"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float, written: str) -> None:
    """Chosen."""
    assert mcp_duration(seconds) == written


def test_numbers_are_written_as_the_reader_does() -> None:
    """We promise it."""
    assert mcp_number(25_000) == "25,000"
    with translation.override("de"):
        assert mcp_number(25_000) == "25.000"
        assert mcp_duration(1.5) == "1,5 s"
