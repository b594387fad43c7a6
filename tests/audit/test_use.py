"""How features were used, as it is counted from the trail."""

from __future__ import annotations

import random
import statistics
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Count
from django.utils import timezone

from mcp_django.audit import bins
from mcp_django.audit.models import Entry
from mcp_django.audit.use import Use, use_of_features

pytestmark = pytest.mark.django_db

NOW = timezone.now()
WEEK_AGO = NOW - timedelta(days=7)


def entry(feature: str = "sell", *, hours: float = 1, **fields: Any) -> Entry:
    fields = {
        "server": "shop",
        "method": "tools/call",
        "feature_kind": "tool",
        "outcome": "answered",
        "seconds": 0.1,
    } | fields
    return Entry(time=NOW - timedelta(hours=hours), feature=feature, **fields)


def keep(*entries: Entry) -> None:
    Entry.objects.bulk_create(entries)


def test_use_counts_calls_and_how_they_ended() -> None:
    """We promise it: what asked its user is no call yet, a retry is another entry."""
    keep(
        entry(hours=3),
        entry(hours=1),
        entry(hours=2, outcome="refused", reason="no"),
        entry(hours=2, outcome="failed", error="ValueError"),
        entry(hours=2, outcome="cancelled"),
        entry(hours=0, outcome="asked"),
    )

    use = use_of_features(WEEK_AGO).of("shop", "tool", "sell")

    assert (use.calls, use.refused, use.failed, use.cancelled) == (5, 1, 1, 1)
    assert use.last_time == NOW - timedelta(hours=1)
    assert use.median == pytest.approx(0.1, rel=bins.ERROR)


def test_use_is_of_one_server_period_and_feature() -> None:
    """We promise it; and what does not exist, or was only told of, was not used."""
    keep(
        entry("sell"),
        entry("sell", server="branch"),
        entry("sell", feature_kind="prompt", method="prompts/get"),
        entry("old", hours=200),
        entry("new", hours=-1),
        entry("none", outcome="refused", reason="unknown"),
        entry("", feature_kind="", method="tools/list"),
        entry("sell", feature_kind="prompt", method="completion/complete"),
    )

    found = use_of_features(WEEK_AGO, NOW)
    shop = use_of_features(WEEK_AGO, NOW, server="shop")

    assert {feature: use.calls for feature, use in found.uses.items()} == {
        ("shop", "tool", "sell"): 1,
        ("shop", "prompt", "sell"): 1,
        ("branch", "tool", "sell"): 1,
    }
    assert set(shop.uses) == {("shop", "tool", "sell"), ("shop", "prompt", "sell")}
    assert found.of("shop", "tool", "buy") == Use()
    assert found.since == WEEK_AGO


def test_use_of_a_name_that_the_trail_cuts_is_found() -> None:
    """We chose it: URIs may be longer than what is kept."""
    keep(entry("x" * 200))

    assert use_of_features(WEEK_AGO).of("shop", "tool", "x" * 300).calls == 1


def test_newest_are_counted_where_there_are_too_many() -> None:
    """We promise it: bounded work, and it is said from when on was counted."""
    keep(*(entry(hours=hours) for hours in (1, 2, 3, 4, 5)))

    found = use_of_features(WEEK_AGO, limit=3)

    assert found.of("shop", "tool", "sell").calls == 3
    assert found.since == NOW - timedelta(hours=4)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_percentile_is_wrong_by_less_than_is_said(share: float) -> None:
    """We promise it."""
    chance = random.Random(share)
    seconds = [chance.lognormvariate(-3, 2) for _ in range(500)]
    keep(*(entry(seconds=each) for each in seconds))
    rows = Entry.objects.order_by().values_list(bins.latency_bin())

    estimate = bins.percentile(dict(rows.annotate(Count("pk"))), share)

    exact = statistics.quantiles(seconds, n=100)[round(share * 100) - 1]
    assert estimate == pytest.approx(exact, rel=bins.ERROR)


def test_bins_are_the_same_in_python_and_in_the_database() -> None:
    """We promise it, for each edge, and for what is below and above all of them."""
    seconds = [0.0, 1e-9, 1.0, 1e6, *bins._EDGES]
    keep(*(entry(seconds=each) for each in seconds))

    found = Entry.objects.order_by("pk").values_list(bins.latency_bin(), flat=True)

    assert list(found) == [bins.latency_bin_of(each) for each in seconds]
    assert sorted(set(found)) == list(range(len(bins._EDGES) + 1))


def test_percentile_of_nothing_is_none() -> None:
    """We chose it: nothing took no time that can be said."""
    assert bins.percentile({}, 0.5) is None
    assert bins.percentile({0: 3}, 0.5) == bins._EDGES[0]
    assert bins.percentile({len(bins._EDGES): 3}, 0.5) == bins._EDGES[-1]
