"""Time that all clients share for what is hard to check."""

from __future__ import annotations

import pytest

from mcp_django.server.arguments.allowance import Allowance


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_check_gets_what_it_may_take() -> None:
    """Our choice."""
    assert Allowance(Clock()).ask(0.03, 0.002) == 0.03


def test_checks_get_less_once_others_have_taken_all() -> None:
    """Our choice: honest ones need no more."""
    allowance = Allowance(Clock())
    allowance.spend(0.09)
    assert allowance.ask(0.03, 0.002) == pytest.approx(0.01)
    allowance.spend(0.01)
    assert allowance.ask(0.03, 0.002) == 0.002


def test_time_comes_back() -> None:
    """Our choice: a tenth of the time that passes, and no more than there was."""
    clock = Clock()
    allowance = Allowance(clock)
    for _ in range(1000):
        allowance.spend(0.03)
    clock.now += 1.2
    assert allowance.ask(0.03, 0.002) == pytest.approx(0.02)
    clock.now += 1000
    assert allowance.ask(1.0, 0.002) == 0.1
