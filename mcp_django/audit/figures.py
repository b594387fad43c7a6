"""What the trail says in numbers: of each interval, of all, and of what was refused."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import Count, Max, QuerySet
from django.utils import timezone
from django.utils.translation import pgettext_lazy

from mcp_django.audit.bins import (
    MAX_COUNTED,
    bin_of,
    bounded,
    latency_bin,
    percentile,
)
from mcp_django.audit.models import Entry
from mcp_django.audit.periods import Period, cut

OUTCOMES: Final = {
    "answered": pgettext_lazy("outcome of a request", "answered"),
    "asked": pgettext_lazy("outcome of a request", "asked"),
    "cancelled": pgettext_lazy("outcome of a request", "cancelled"),
    "refused": pgettext_lazy("outcome of a request", "refused"),
    "failed": pgettext_lazy("outcome of a request", "failed"),
}
"""How requests end, from good to bad."""

_BAD: Final = {"refused", "failed"}

_MAX_REASONS: Final = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests there were, how they ended, and how long they took.

    Attributes:
        outcomes: How many there were, by outcome.
        latencies: How many there were, by bin of latency.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.outcomes.total()

    @property
    def median(self) -> float | None:
        """Seconds that half of them took at most, estimated."""
        return percentile(self.latencies, 0.5)

    @property
    def percentile_95(self) -> float | None:
        """Seconds that 95 of a hundred took at most, estimated."""
        return percentile(self.latencies, 0.95)

    def add(self, outcome: str, latency: int, count: int) -> None:
        """Count some more."""
        self.outcomes[outcome] += count
        self.latencies[latency] += count


@dataclass(frozen=True, slots=True)
class Interval:
    """What there was from one time to another.

    Attributes:
        since: When it begins.
        until: When it ends, exclusively.
        counts: What there was.
    """

    since: datetime
    until: datetime
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some requests were refused, or failed.

    Attributes:
        outcome: "refused" or "failed".
        reason: Why they were refused; may be empty.
        error: The class of what was raised; may be empty.
        count: How many there were.
        last_time: When the last of them began.
    """

    outcome: str
    reason: str
    error: str
    count: int
    last_time: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What the trail says of some entries.

    Attributes:
        intervals: Without a gap, from the oldest; none where there is no entry.
        total: Of all of them.
        reasons: The most frequent ones.
        left_out: Up to when entries were left out, because there are too many to count;
            None where none was.
        limit: How many are counted then.
    """

    intervals: Sequence[Interval]
    total: Counts
    reasons: Sequence[Reason]
    left_out: datetime | None
    limit: int

    @classmethod
    def of(
        cls,
        entries: QuerySet[Entry],
        period: Period,
        *,
        count: int | None = None,
        limit: int = MAX_COUNTED,
    ) -> Figures:
        """Count entries; four queries at most.

        Args:
            entries: Those of the period, maybe fewer; in any order.
            period: Which the intervals cut.
            count: How many they are, if that is known.
            limit: How many are counted at most.
        """
        left_out = None
        if count is None or count > limit:
            entries, left_out = bounded(entries, limit)
        entries = entries.order_by()
        since = left_out or period.since
        if since is None:
            times = entries.order_by("time").values_list("time", flat=True)
            since = times.first()
        total = Counts()
        if since is None:
            return cls([], total, [], left_out, limit)
        now = timezone.now()
        edges = cut(since, min(period.until or now, now))
        intervals = [Interval(*each) for each in itertools.pairwise(edges)]
        found = entries.values_list(
            bin_of("time", edges[1:-1]), "outcome", latency_bin()
        ).annotate(Count("pk"))
        for number, outcome, latency, count in found.iterator():
            intervals[number].counts.add(outcome, latency, count)
            total.add(outcome, latency, count)
        return cls(
            intervals if total.requests else [],
            total,
            _reasons(entries) if _BAD & total.outcomes.keys() else [],
            left_out,
            limit,
        )


def _reasons(entries: QuerySet[Entry]) -> list[Reason]:
    found = (
        entries.filter(outcome__in=_BAD)
        .values_list("outcome", "reason", "error")
        .annotate(count=Count("pk"), last=Max("time"))
        .order_by("-count", "-last")
    )
    return [Reason(*each) for each in found[:_MAX_REASONS]]
