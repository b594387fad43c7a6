"""Counts many entries in one pass, in any database: by bins of time and of latency.

Databases do not agree on how to cut times and to take percentiles, and SQLite does the
first in Python, row by row. A bin is found here by a few comparisons, as in a binary
search, and percentiles are estimated from how many entries are in each bin.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Case, Expression, IntegerField, QuerySet, Value, When

from mcp_django.audit.models import Entry

_BINS_PER_OCTAVE: Final = 4
_EDGES: Final = tuple(
    2 ** (step / _BINS_PER_OCTAVE)
    for step in range(-13 * _BINS_PER_OCTAVE, 13 * _BINS_PER_OCTAVE + 1)
)
"""Seconds, from an eighth of a millisecond to two hours."""

MAX_COUNTED: Final = 200_000
"""Entries that one look counts; SQLite takes about a second for them."""

ERROR: Final = 2 ** (1 / _BINS_PER_OCTAVE) - 1
"""By how much a percentile may be wrong at most: a fifth of it."""


def bounded(
    entries: QuerySet[Entry], limit: int = MAX_COUNTED
) -> tuple[QuerySet[Entry], datetime | None]:
    """Leave out all but the newest entries, where there are too many to count.

    Args:
        entries: In any order.
        limit: How many may be counted.

    Returns:
        The entries that may be counted, and the time up to which others were left out;
        None where none was.
    """
    entries = entries.order_by()
    times = entries.order_by("-time").values_list("time", flat=True)
    last = times[limit : limit + 1].first()
    return (entries if last is None else entries.filter(time__gt=last)), last


def bin_of(field: str, edges: Sequence[Any]) -> Expression:
    """Say in SQL in which bin a field is.

    Args:
        field: Its name.
        edges: Where the next bin begins, ascending; at least one. There is a bin more
            than edges.

    Returns:
        An expression for the number of the bin, from 0 for what is below the first
        edge to `len(edges)`.
    """

    def search(low: int, high: int) -> Expression:
        if low == high:
            return Value(low)
        middle = (low + high) // 2
        return Case(
            When(**{f"{field}__lt": edges[middle]}, then=search(low, middle)),
            default=search(middle + 1, high),
            output_field=IntegerField(),
        )

    return search(0, len(edges))


def latency_bin() -> Expression:
    """Say in SQL in which bin of latency an entry is."""
    return bin_of("seconds", _EDGES)


def latency_bin_of(seconds: float) -> int:
    """Give the bin of a latency."""
    return bisect_right(_EDGES, seconds)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Estimate the latency that a share of entries does not exceed.

    Args:
        counts: How many entries are in each bin of latency.
        share: From 0 to 1, such as 0.5 for the median.

    Returns:
        Seconds, wrong by `ERROR` at most; None where there is no entry.
    """
    bins = sorted(number for number, count in counts.items() if count)
    if not bins:
        return None
    sums = list(itertools.accumulate(counts[number] for number in bins))
    rank = share * sums[-1]
    place = min(bisect_right(sums, rank), len(bins) - 1)
    number = bins[place]
    if number == 0:
        return _EDGES[0]
    if number == len(_EDGES):
        return _EDGES[-1]
    within = (rank - (sums[place] - counts[bins[place]])) / counts[number]
    low, high = _EDGES[number - 1], _EDGES[number]
    return low + (high - low) * min(max(within, 0.0), 1.0)
