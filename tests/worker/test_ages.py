"""Which streams of a worker are old."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import Settings

from mcp_django.auth.interface import Identity
from mcp_django.worker.ages import Ages
from mcp_django.worker.connections import OpenConnection


class Stream(OpenConnection):
    """A stream that is idle when it is told to be."""

    def __init__(self, *, is_idle: bool) -> None:
        self._is_idle = is_idle

    @property
    def identity(self) -> Identity:
        return Identity(AnonymousUser())

    @property
    def is_idle(self) -> bool:
        return self._is_idle

    async def tick(self) -> None:
        raise AssertionError

    async def finish(self) -> None:
        raise AssertionError

    async def abort(self) -> None:
        raise AssertionError

    async def close(self) -> None:
        raise AssertionError


class Clock:
    """A clock that is set by hand, and the random ages, largest first."""

    now = 1000.0
    asked: tuple[float, float] | None = None

    def __call__(self) -> float:
        return self.now

    def draw(self, least: float, most: float) -> float:
        self.asked = (least, most)
        return 70.0


@pytest.fixture
def clock(settings: Settings) -> Clock:
    settings.MCP = {"MAX_STREAM_SECONDS": 100}
    return Clock()


def test_stream_ends_when_it_is_old_and_idle_and_at_the_largest_age_anyway(
    clock: Clock,
) -> None:
    """We promise it: a random age from half of the largest on; each is told once."""
    ages = Ages(clock, clock.draw)
    idle, busy, gone = Stream(is_idle=True), Stream(is_idle=False), Stream(is_idle=True)
    for stream in (idle, busy, gone):
        ages.add(stream)
    ages.remove(gone)
    assert clock.asked == (50.0, 100)

    taken = []
    for now in (1069.9, 1070.0, 1099.9, 1100.0, 1200.0):
        clock.now = now
        taken.append(ages.take_old())

    assert taken == [[], [idle], [], [busy], []]
    ages.remove(busy)  # it ends only now


def test_without_a_largest_age_no_stream_is_old(
    clock: Clock, settings: Settings
) -> None:
    """Chosen: nothing is kept in mind of it."""
    settings.MCP = {}
    ages = Ages(clock, clock.draw)
    ages.add(Stream(is_idle=True))
    clock.now += 10**9
    assert (ages.take_old(), clock.asked) == ([], None)


def test_streams_that_began_together_do_not_end_together(settings: Settings) -> None:
    """We promise it: or all of them would come back at once."""
    settings.MCP = {"MAX_STREAM_SECONDS": 100}
    clock = Clock()
    ages = Ages(clock)
    for _ in range(1000):
        ages.add(Stream(is_idle=True))
    ended = []
    for now in (1049.9, 1060.0, 1075.0, 1100.0):
        clock.now = now
        ended.append(len(ages.take_old()))
    assert ended[0] == 0
    assert 100 < ended[1] < 300  # a fifth of them
    assert 200 < ended[2] < 400
    assert sum(ended) == 1000
