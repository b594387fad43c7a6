"""Periods that people choose or write, and how they are cut."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import Settings

from mcp_django.audit.periods import CHOICES, Period, cut, local

NOON = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


def test_period_is_a_week_unless_another_is_chosen() -> None:
    """We chose it: a look at a large table does not begin with the whole of it."""
    week, day = Period.of({}), Period.of({"period": "day"})

    assert week.since is not None
    assert day.since is not None
    assert day.since - week.since == pytest.approx(
        timedelta(days=6), abs=timedelta(seconds=5)
    )
    assert Period.of({"period": "all"}) == Period("all")


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"since": "2026-03-29"}, ("2026-03-29T00:00+00:00", None)),
        ({"until": "2026-03-29"}, (None, "2026-03-30T00:00+00:00")),
        ({"since": "2026-03-29T10:30"}, ("2026-03-29T10:30+00:00", None)),
        ({"since": "2026-03-29T10:30:00+02:00"}, ("2026-03-29T08:30+00:00", None)),
        ({"since": "2026-03-29T10:30:00 02:00"}, ("2026-03-29T08:30+00:00", None)),
        ({"since": "2026-03-29", "period": "hour"}, ("2026-03-29T00:00+00:00", None)),
    ],
)
def test_period_is_read_as_dates_and_times_are_written(
    given: dict[str, str], period: tuple[str | None, str | None]
) -> None:
    """We promise it: dates, local times and such with an offset; days are whole."""
    with timezone.override(UTC):
        found = Period.of(given)

    times = [
        each and each.isoformat(timespec="minutes")
        for each in (found.since, found.until)
    ]
    assert (found.choice, *times) == ("", *period)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"period": "year"}, "“year” is no period; there are: hour, day, week"),
        ({"since": "soon"}, "“soon” for “since” is no time; write it as 2026-"),
        ({"until": "2026-02-30"}, "“2026-02-30” for “until” is no time"),
        ({"since": "0001-01-01T00:00+14:00"}, "for “since” is no time"),
        ({"until": "9999-12-31"}, "“9999-12-31” for “until” is no time"),
        ({"since": "2026-03-29", "until": "2026-03-28"}, "ends before it begins"),
    ],
)
def test_what_is_no_period_is_said(given: dict[str, str], said: str) -> None:
    """We chose it: what was wrong, what was given, and what would be right."""
    found = Period.of(given)

    assert said in "".join(found.mistakes)
    assert found.choice == "week"


@pytest.mark.parametrize("length", ["hour", "day", "week", "month"])
def test_intervals_cover_a_period_and_are_few(length: str) -> None:
    """We promise it: as many as there is room for, without a gap."""
    since = NOON - (CHOICES[length][1] or timedelta())

    with timezone.override(UTC):
        edges = cut(since, NOON)

    assert edges[0] <= since < edges[1]
    assert edges[-2] < NOON <= edges[-1]
    assert 24 <= len(edges) - 1 <= 62
    assert len({b - a for a, b in itertools.pairwise(edges)}) == 1


@pytest.mark.parametrize("days", [0, 0.01, 40, 100, 1_000, 30_000])
def test_periods_of_any_length_are_cut(days: float) -> None:
    """We promise it: from one instant to a long life."""
    since = NOON - timedelta(days=days)

    edges = cut(since, NOON)

    assert edges[0] <= since
    assert edges[-1] >= NOON
    assert 2 <= len(edges) <= 63


def test_days_begin_at_midnight_also_when_clocks_change() -> None:
    """We chose it: a day is what the calendar of the reader says, of 23 hours too."""
    with timezone.override(ZoneInfo("Europe/Berlin")):
        days = cut(NOON - timedelta(days=40), NOON + timedelta(days=5))
        hours = cut(NOON - timedelta(days=6), NOON)

        assert {local(each).hour for each in days} == {0}
    assert timedelta(hours=23) in {b - a for a, b in itertools.pairwise(days)}
    assert {b - a for a, b in itertools.pairwise(hours)} == {timedelta(hours=3)}


def test_period_of_a_site_without_time_zones(settings: Settings) -> None:
    """We promise it: times are as the database keeps them."""
    settings.USE_TZ = False

    found = Period.of({"since": "2026-03-29T10:30:00+00:00", "until": "2026-03-30"})

    assert found.since is not None
    assert found.since.tzinfo is None
    assert cut(found.since, datetime(2026, 3, 30))[0].tzinfo is None
