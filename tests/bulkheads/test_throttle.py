"""One line a minute."""

from __future__ import annotations

from mcp_django.bulkheads.throttle import Throttle
from tests.bulkheads.clocks import Clock


def test_line_is_let_through_once_a_minute_and_speaks_of_all_since() -> None:
    """Chosen: nothing is lost of the count."""
    clock = Clock()
    throttle = Throttle(clock)

    assert [throttle.note(count) for count in (0, 3, 3, 0)] == [0, 3, 0, 0]
    clock.now += 60
    assert [throttle.note(0), throttle.note(0)] == [3, 0]


def test_what_is_over_is_not_spoken_of() -> None:
    """Chosen: but the minute goes on."""
    clock = Clock()
    throttle = Throttle(clock)
    throttle.note()
    throttle.note(7)

    throttle.forget()

    assert throttle.note() == 0
    clock.now += 60
    assert throttle.note() == 2
