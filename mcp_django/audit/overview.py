"""What the admin shows above the list: the chart, and why requests were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.utils import formats
from django.utils.translation import gettext

from mcp_django.amounts import count_text, duration_text
from mcp_django.audit.chart import Chart, Column
from mcp_django.audit.figures import OUTCOMES, Figures, Interval
from mcp_django.audit.filters import PeriodFilter
from mcp_django.audit.periods import Period, local


@dataclass(frozen=True, slots=True)
class Share:
    """How many requests had one outcome."""

    outcome: str
    label: Any
    count: str
    percent: str
    query: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why some requests were refused, or failed."""

    outcome: str
    label: Any
    reason: str
    count: str
    last_time: Any
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one interval, as texts."""

    column: Column
    query: str
    requests: str
    outcomes: Sequence[str]
    median: str
    percentile_95: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is above a list, in texts for its template.

    Attributes:
        chart: None where there is nothing to show.
        requests: How many there were.
        median: How long half of them took at most.
        percentile_95: How long 95 of a hundred took at most.
        shares: How they ended.
        rows: The same by interval, for who does not see the chart.
        reasons: Why some were refused, or failed.
        left_out: Up to when entries were left out; None where none was.
        limit: How many entries are counted then.
        outcome_labels: What `Row.outcomes` are of.
    """

    chart: Chart | None
    requests: str
    median: str
    percentile_95: str
    shares: Sequence[Share]
    rows: Sequence[Row]
    reasons: Sequence[Why]
    left_out: Any
    limit: str
    outcome_labels: Sequence[Any] = tuple(OUTCOMES.values())

    @classmethod
    def of(cls, changelist: ChangeList, limit: int) -> Overview:
        """Look at what a list shows, on all its pages.

        Args:
            changelist: The list.
            limit: How many of its entries are counted at most.
        """
        figures = Figures.of(
            changelist.queryset,
            _period_of(changelist),
            count=changelist.result_count,
            limit=limit,
        )
        chart = Chart.of(figures.intervals) if figures.intervals else None
        total = figures.total
        return cls(
            chart,
            count_text(total.requests),
            duration_text(total.median),
            duration_text(total.percentile_95),
            _shares(changelist, figures),
            [] if chart is None else [_row(changelist, each) for each in chart.columns],
            _reasons(changelist, figures),
            figures.left_out and local(figures.left_out),
            count_text(figures.limit),
        )


def _period_of(changelist: ChangeList) -> Period:
    for spec in changelist.filter_specs:
        if isinstance(spec, PeriodFilter):
            return spec.period
    return Period("all")  # where a site has taken that filter away


def _shares(changelist: ChangeList, figures: Figures) -> list[Share]:
    outcomes, requests = figures.total.outcomes, figures.total.requests
    return [
        Share(
            outcome,
            label,
            count_text(outcomes[outcome]),
            _percent(outcomes[outcome] / requests),
            changelist.get_query_string({"outcome": outcome}),
        )
        for outcome, label in OUTCOMES.items()
        if outcomes[outcome]
    ]


def _percent(share: float) -> str:
    places = 0 if share >= 0.1 else 1 if share >= 0.001 else 2
    return gettext("%(number)s%%") % {
        "number": formats.number_format(share * 100, decimal_pos=places)
    }


def _row(changelist: ChangeList, column: Column) -> Row:
    counts = column.interval.counts
    return Row(
        column,
        _zoom(changelist, column.interval),
        count_text(counts.requests),
        [count_text(counts.outcomes[outcome]) for outcome in OUTCOMES],
        duration_text(counts.median),
        duration_text(counts.percentile_95),
    )


def _zoom(changelist: ChangeList, interval: Interval) -> str:
    return changelist.get_query_string(
        {
            "since": interval.since.isoformat(),
            "until": interval.until.isoformat(),
            "period": None,
        }
    )


def _reasons(changelist: ChangeList, figures: Figures) -> list[Why]:
    return [
        Why(
            each.outcome,
            OUTCOMES[each.outcome],
            each.reason or each.error,
            count_text(each.count),
            local(each.last_time),
            changelist.get_query_string(
                {
                    "outcome": each.outcome,
                    "reason": each.reason or None,
                    "error": each.error or None,
                }
            ),
        )
        for each in figures.reasons
    ]
