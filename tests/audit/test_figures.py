"""What is counted of the trail, and how it is drawn and said."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from mcp_django.audit.bins import latency_bin_of
from mcp_django.audit.chart import HEIGHT, Chart
from mcp_django.audit.figures import Counts, Figures, Interval
from mcp_django.audit.models import Entry
from mcp_django.audit.periods import Period

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DAY = Period("day", NOW - timedelta(days=1))


def keep(hours: float, outcome: str = "answered", **fields: Any) -> None:
    time = NOW - timedelta(hours=hours)
    Entry.objects.create(time=time, outcome=outcome, **{"seconds": 0.1} | fields)


def figures(period: Period = DAY, **options: Any) -> Figures:
    return Figures.of(period.narrow(Entry.objects.all()), period, **options)


def interval(number: int, seconds: float = 0.1, **outcomes: int) -> Interval:
    since = NOW + timedelta(hours=number)
    latencies = Counter({latency_bin_of(seconds): sum(outcomes.values())})
    return Interval(
        since, since + timedelta(hours=1), Counts(Counter(outcomes), +latencies)
    )


def test_requests_are_counted_in_the_interval_in_which_they_began() -> None:
    """We promise it."""
    for hours in (30, 23.9, 5, 5, 0.001):
        keep(hours)
    keep(5, "failed", seconds=8)

    found = figures()

    assert found.total.outcomes == {"answered": 4, "failed": 1}
    for each in found.intervals:
        inside = Entry.objects.filter(time__gte=each.since, time__lt=each.until)
        assert each.counts.requests == inside.count()
    assert found.left_out is None


def test_any_time_begins_with_the_first_entry() -> None:
    """We chose it: a chart of years with nothing in it says nothing."""
    keep(10)
    keep(2)

    found = figures(Period("all"))

    assert found.intervals[0].counts.requests == 1
    assert found.intervals[-1].until >= NOW
    assert figures(Period("", until=NOW - timedelta(hours=20))).intervals == []


def test_newest_are_counted_where_there_are_too_many() -> None:
    """We promise it: bounded work, and it is said what was left out."""
    for hours in (1, 2, 3, 4):
        keep(hours)

    for found in (figures(limit=2), figures(count=4, limit=2)):
        assert (found.total.requests, found.limit) == (2, 2)
        assert found.left_out == NOW - timedelta(hours=3)
    assert figures(count=4).left_out is None


def test_reasons_are_those_of_what_was_refused_or_failed() -> None:
    """We promise it: the most frequent first, ten at most."""
    keep(1, "asked", error="QuestionsAsked")
    for number in range(12):
        keep(2, "refused", reason=f"no copy of {number}")
    keep(3, "failed", error="KeyError")
    keep(2, "failed", error="KeyError")

    [first, *others] = figures().reasons

    assert (first.outcome, first.error, first.count) == ("failed", "KeyError", 2)
    assert first.last_time == NOW - timedelta(hours=2)
    assert len(others) == 9
    assert {each.count for each in others} == {1}


def test_bars_stand_on_each_other_and_fill_no_more_than_there_is() -> None:
    """We promise it; and one failure among thousands is seen."""
    chart = Chart.of([interval(0, answered=5000, failed=1), interval(1, answered=10)])

    tall, thin, other = chart.bars

    assert (tall.outcome, thin.outcome, other.outcome) == (
        "answered",
        "failed",
        "answered",
    )
    assert float(tall.y) + float(tall.height) == pytest.approx(HEIGHT)
    assert float(thin.y) + float(thin.height) == pytest.approx(float(tall.y))
    assert float(thin.height) > 1
    assert float(other.x) + float(other.width) <= 100
    assert [label.text for label in chart.counts] == ["0", "2,000", "4,000", "6,000"]


def test_line_of_latency_has_gaps_where_nothing_was_asked() -> None:
    """We chose it: a line through nothing would say that there was something."""
    chart = Chart.of(
        [
            interval(0, 0.02, answered=1),
            interval(1, 0.2, answered=1),
            interval(2),
            interval(3, 2, answered=1),
        ]
    )

    lines = [(line.x1, line.x2) for line in chart.lines if line.kind == "median"]

    assert lines == [("12.5", "37.5"), ("87.5", "87.5")]
    texts = [label.text.replace("\xa0", " ") for label in chart.seconds]
    assert texts == ["10 ms", "100 ms", "1 s", "10 s"]


def test_places_are_written_as_svg_does_in_any_language() -> None:
    """We promise it: a comma there would draw nothing."""
    with translation.override("de"):
        chart = Chart.of([interval(number, answered=1234) for number in range(7)])

        assert chart.bars[1].x == "15.36"
        assert chart.counts[-1].text == "1.500"
