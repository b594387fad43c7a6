"""Counts and durations in words for people."""

from __future__ import annotations

import pytest
from django.utils import translation

from mcp_django.amounts import count_text, duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0 ms"),
        (0.000_12, "0.12 ms"),
        (0.0018, "1.8 ms"),
        (0.0123, "12 ms"),
        (0.1, "100 ms"),
        (0.9996, "1 s"),
        (1.25, "1.2 s"),
        (99, "99 s"),
        (150, "2.5 min"),
        (72_000, "1,200 min"),
    ],
)
def test_durations_have_two_digits_that_count(seconds: float | None, text: str) -> None:
    """We chose it: more would pretend to be exact."""
    assert duration_text(seconds).replace("\xa0", " ") == text


def test_numbers_are_written_as_the_reader_does() -> None:
    """We promise it: large numbers are read, not counted."""
    assert count_text(1_234_567) == "1,234,567"
    with translation.override("de"):
        assert count_text(25_000) == "25.000"
        assert duration_text(1.5) == "1,5\xa0s"
