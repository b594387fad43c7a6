"""Where the parts of the chart are: bars of requests, and lines of their latency.

The chart is drawn on the server, without a script. Across, all is in percent, so that
it is as wide as there is room while its texts stay as large as others; down, in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import formats
from django.utils.translation import gettext, ngettext

from mcp_django.amounts import count_text, duration_text
from mcp_django.audit.figures import OUTCOMES, Interval
from mcp_django.audit.periods import local

HEIGHT: Final = 132
"""Pixels of each of the two panels."""

_HEADROOM: Final = 12
"""Pixels above the highest bar, for the label of a line."""

_LEAST: Final = 1.5
"""Pixels of the least bar, so that one failure among thousands is seen."""

_MAX_LINES: Final = 4
_MAX_LABELS: Final = 5
_ROUND_MINUTES: Final = (1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
_GAP: Final = 0.15
_EDGE: Final = 0.07


@dataclass(frozen=True, slots=True)
class Label:
    """A text at an axis.

    Attributes:
        at: Percent across, or pixels down.
        text: What it says.
        is_extra: Whether it is left out where there is little room.
        anchor: Which end of the text is there, as SVG says it.
    """

    at: str
    text: str
    is_extra: bool = False
    anchor: str = "end"


@dataclass(frozen=True, slots=True)
class Bar:
    """What is drawn of one outcome of an interval."""

    outcome: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of a line of latency; of no length where it has no neighbors."""

    kind: str
    x1: str
    y1: str
    x2: str
    y2: str

    @property
    def is_dot(self) -> bool:
        """Whether it has no length."""
        return (self.x1, self.y1) == (self.x2, self.y2)


@dataclass(frozen=True, slots=True)
class Column:
    """One interval, over its whole height.

    Attributes:
        x: Percent across where it begins.
        width: Percent.
        interval: What it shows.
        label: Its time.
        text: All that is known of it.
    """

    x: str
    width: str
    interval: Interval
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All that a template needs to draw the chart of some intervals."""

    columns: Sequence[Column]
    bars: Sequence[Bar]
    lines: Sequence[Line]
    times: Sequence[Label]
    counts: Sequence[Label]
    seconds: Sequence[Label]
    height: int = HEIGHT

    @classmethod
    def of(cls, intervals: Sequence[Interval]) -> Chart:
        """Draw intervals; at least one, with at least one request in all."""
        width = 100 / len(intervals)
        columns = [
            Column(
                _number(place * width),
                _number(width),
                each,
                label_of(each),
                _text_of(each),
            )
            for place, each in enumerate(intervals)
        ]
        lowest, highest = _decades(intervals)
        step = _count_step(max(each.counts.requests for each in intervals))
        top = step * math.ceil(
            max(each.counts.requests for each in intervals) / step - 1e-9
        )
        scale = (HEIGHT - _HEADROOM) / top
        return cls(
            columns=columns,
            bars=list(_bars(intervals, scale)),
            lines=list(_lines(intervals, lowest, highest)),
            times=_time_labels(intervals),
            counts=[
                Label(_number(HEIGHT - count * scale), count_text(count))
                for count in range(0, top + 1, step)
            ],
            seconds=[
                Label(
                    _number(_height_of(10.0**decade, lowest, highest)),
                    duration_text(10.0**decade),
                )
                for decade in range(lowest, highest + 1)
            ],
        )


# Texts ----------------------------------------------------------------------------


def label_of(interval: Interval) -> str:
    """Say the time of an interval."""
    begin, end = local(interval.since), local(interval.until)
    if interval.until - interval.since < timedelta(hours=20):
        return gettext("%(day)s, %(begin)s to %(end)s") % {
            "day": formats.date_format(begin, "MONTH_DAY_FORMAT"),
            "begin": formats.date_format(begin, "TIME_FORMAT"),
            "end": formats.date_format(end, "TIME_FORMAT"),
        }
    if interval.until - interval.since < timedelta(hours=30):
        return formats.date_format(begin, "DATE_FORMAT")
    return gettext("%(begin)s to %(end)s") % {
        "begin": formats.date_format(begin, "DATE_FORMAT"),
        "end": formats.date_format(end - timedelta(hours=12), "DATE_FORMAT"),
    }


def _text_of(interval: Interval) -> str:
    counts = interval.counts
    parts = [
        label_of(interval),
        ngettext("%(count)s request", "%(count)s requests", counts.requests)
        % {"count": count_text(counts.requests)},
    ]
    parts += [
        f"{label}: {count_text(counts.outcomes[outcome])}"
        for outcome, label in OUTCOMES.items()
        if counts.outcomes[outcome] and outcome != "answered"
    ]
    if counts.requests:
        parts.append(
            gettext("median %(median)s, 95th percentile %(percentile)s")
            % {
                "median": duration_text(counts.median),
                "percentile": duration_text(counts.percentile_95),
            }
        )
    return "\n".join(parts)


# Places ---------------------------------------------------------------------------


def _number(value: float) -> str:
    """Write a number as SVG does, whatever the reader's language is."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _bars(intervals: Sequence[Interval], scale: float) -> Iterator[Bar]:
    width = 100 / len(intervals)
    for place, interval in enumerate(intervals):
        base = float(HEIGHT)
        for outcome in OUTCOMES:
            if count := interval.counts.outcomes[outcome]:
                height = max(count * scale, _LEAST)
                base -= height
                yield Bar(
                    outcome,
                    _number((place + _GAP / 2) * width),
                    _number(base),
                    _number((1 - _GAP) * width),
                    _number(height),
                )


def _lines(intervals: Sequence[Interval], lowest: int, highest: int) -> Iterator[Line]:
    width = 100 / len(intervals)
    for kind in ("percentile_95", "median"):
        found: list[float | None] = [getattr(each.counts, kind) for each in intervals]
        points = [
            None
            if seconds is None
            else (
                _number((place + 0.5) * width),
                _number(_height_of(seconds, lowest, highest)),
            )
            for place, seconds in enumerate(found)
        ]
        for before, here, after in zip(
            [None, *points], points, [*points[1:], None], strict=False
        ):
            if here is not None and before is not None:
                yield Line(kind, *before, *here)
            elif here is not None and after is None:
                yield Line(kind, *here, *here)


def _decades(intervals: Sequence[Interval]) -> tuple[int, int]:
    """Give the powers of ten between which latencies are."""
    found = [
        seconds
        for each in intervals
        for seconds in (each.counts.median, each.counts.percentile_95)
        if seconds
    ]
    lowest = math.floor(math.log10(min(found)))
    return lowest, max(math.ceil(math.log10(max(found))), lowest + 1)


def _height_of(seconds: float, lowest: int, highest: int) -> float:
    share = (math.log10(seconds) - lowest) / (highest - lowest)
    return HEIGHT - share * (HEIGHT - _HEADROOM)


def _count_step(most: int) -> int:
    """Give a round number of requests from one line to the next."""
    least = max(most / _MAX_LINES, 1)
    power = 10 ** math.floor(math.log10(least))
    return int(next(each * power for each in (1, 2, 5, 10) if each * power >= least))


def _time_labels(intervals: Sequence[Interval]) -> list[Label]:
    """Name some times, as round as there are."""
    length = intervals[-1].until - intervals[0].since
    minutes = [_minute_of_day(each.since) for each in intervals]
    if length <= timedelta(days=2):
        form = "TIME_FORMAT"
        places = next(
            found
            for step in _ROUND_MINUTES
            if len(found := [p for p, at in enumerate(minutes) if at % step == 0])
            <= _MAX_LABELS
        )
    else:
        form = "MONTH_DAY_FORMAT"
        if length > timedelta(days=300):
            form = "YEAR_MONTH_FORMAT"
        # Where days are cut into parts: the first of each day.
        places = [
            place
            for place, at in enumerate(minutes)
            if place == 0 or at <= minutes[place - 1]
        ][minutes[0] > 0 :]
        places = places[:: math.ceil(len(places) / _MAX_LABELS)]
    return [
        Label(
            _number(place * 100 / len(intervals)),
            formats.date_format(local(intervals[place].since), form),
            is_extra=bool(number % 2),
            anchor=_anchor(place / len(intervals)),
        )
        for number, place in enumerate(places)
    ]


def _minute_of_day(at: datetime) -> int:
    clock = local(at)
    return clock.hour * 60 + clock.minute


def _anchor(share: float) -> str:
    """Say which end of a text is at its place, so that it stays inside."""
    if share < _EDGE:
        return "start"
    return "end" if share > 1 - _EDGE else "middle"
