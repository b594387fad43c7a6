"""How much each feature was used in a period, how often it failed, how long it took.

For what shows features, and has this app where it is installed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import Count, Max

from mcp_django.audit.bins import MAX_COUNTED, bounded, latency_bin, percentile
from mcp_django.audit.models import Entry
from mcp_django.server.errors import UNKNOWN

_METHODS: Final = ("tools/call", "resources/read", "prompts/get")
"""Those that use a feature, and do not only tell of it."""

_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Use:
    """How one feature was used.

    Attributes:
        calls: How many requests have ended, however they did. One that asked its user
            is none yet, where a retry brings the answer.
        refused: How many of them were refused.
        failed: How many of them failed by an unexpected exception.
        cancelled: How many of them had no client that waited any more.
        median: Seconds that half of them took at most, estimated from bins.
        percentile_95: Seconds that 95 of a hundred took at most.
        last_time: When the last of them began.
    """

    calls: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    median: float | None = None
    percentile_95: float | None = None
    last_time: datetime | None = None


@dataclass(slots=True)
class _Tally:
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    last_time: datetime | None = None

    def add(self, outcome: str, latency: int, count: int, last: datetime) -> None:
        self.outcomes[outcome] += count
        self.latencies[latency] += count
        self.last_time = max(self.last_time or last, last)

    def use(self) -> Use:
        return Use(
            calls=self.outcomes.total(),
            refused=self.outcomes["refused"],
            failed=self.outcomes["failed"],
            cancelled=self.outcomes["cancelled"],
            median=percentile(self.latencies, 0.5),
            percentile_95=percentile(self.latencies, 0.95),
            last_time=self.last_time,
        )


@dataclass(frozen=True, slots=True)
class UseOfFeatures:
    """How features were used in a period.

    Attributes:
        since: From when on it was counted. Later than asked for where there are more
            than `limit` entries since then: the newest are counted.
        uses: Use by server, kind of feature and name. Features that were not used are
            missing, and so is what clients asked for and does not exist.
    """

    since: datetime
    uses: Mapping[tuple[str, str, str], Use]

    def of(self, server: str, kind: str, name: str) -> Use:
        """Give the use of one feature.

        Args:
            server: Name of the server.
            kind: "tool", "resource" or "prompt".
            name: Of a resource its URI, or its template's.
        """
        # As long as the trail keeps them.
        return self.uses.get((server[:_MAX_NAME], kind, name[:_MAX_NAME]), Use())


def use_of_features(
    since: datetime,
    until: datetime | None = None,
    *,
    server: str | None = None,
    limit: int = MAX_COUNTED,
) -> UseOfFeatures:
    """Say how features were used in a period; two queries.

    Args:
        since: When the period begins.
        until: When it ends, exclusively; None for now.
        server: Name of the one whose features they are; None for all.
        limit: How many entries are counted at most; SQLite takes about half a second
            for 200,000.

    Raises:
        django.db.Error: The database is away, or its migrations have not run.
    """
    entries = Entry.objects.filter(method__in=_METHODS, time__gte=since)
    if until is not None:
        entries = entries.filter(time__lt=until)
    if server is not None:
        entries = entries.filter(server=server)
    entries, left_out = bounded(entries, limit)
    found = (
        entries.exclude(outcome="asked")
        .exclude(outcome="refused", reason=UNKNOWN)
        .values_list("server", "feature_kind", "feature", "outcome", latency_bin())
        .annotate(Count("pk"), Max("time"))
    )
    tallies: defaultdict[tuple[str, str, str], _Tally] = defaultdict(_Tally)
    for *feature, outcome, latency, count, last in found.iterator():
        tallies[tuple(feature)].add(outcome, latency, count, last)
    return UseOfFeatures(
        since if left_out is None else left_out,
        {feature: tally.use() for feature, tally in tallies.items()},
    )
