"""Samples, and what is said of them: median, spread, and ratios within a round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Quantity: TypeAlias = Literal["value", "p99_ms", "cpu_us"]


@dataclass(frozen=True)
class Sample:
    """What one contender did in one round.

    Attributes:
        value: In the row's unit.
        p50_ms: Half of the answers came sooner; None where nobody looked.
        p99_ms: So did 99 of 100.
        cpu_us: Time on a core for each request; None where nobody looked.
    """

    value: float
    p99_ms: float | None = None
    cpu_us: float | None = None
    p50_ms: float | None = None


@dataclass(frozen=True)
class Failure:
    """A contender that could not be measured, and why."""

    reason: str


Outcome: TypeAlias = Sequence[Sample] | Failure
Outcomes: TypeAlias = Mapping[str, Outcome]
"""By the contender's name."""


@dataclass(frozen=True)
class Spread:
    """The median of some figures, and the least and the greatest."""

    median: float
    least: float
    greatest: float


def spread(figures: Sequence[float]) -> Spread:
    """Say where figures lie."""
    return Spread(statistics.median(figures), min(figures), max(figures))


def spread_of(
    outcomes: Outcomes, name: str, quantity: Quantity = "value"
) -> Spread | None:
    """Say where a contender's samples lie, or None if it has none."""
    figures = _figures(outcomes, name, quantity)
    return spread(figures) if figures else None


def ratio_of(
    outcomes: Outcomes, name: str, to: str, quantity: Quantity = "value"
) -> Spread | None:
    """Compare two contenders round by round, or None if one has no samples."""
    own, others = _figures(outcomes, name, quantity), _figures(outcomes, to, quantity)
    ratios = [figure / other for figure, other in zip(own, others, strict=False)]
    return spread(ratios) if ratios else None


def cpu_share_of(outcomes: Outcomes, name: str, to: str) -> Spread | None:
    """Compare what two contenders could do with a core, if nothing else used it."""
    return ratio_of(outcomes, to, name, "cpu_us")


def _figures(outcomes: Outcomes, name: str, quantity: Quantity) -> list[float]:
    samples = outcomes.get(name, ())
    if isinstance(samples, Failure):
        return []
    figures = (getattr(sample, quantity) for sample in samples)
    return [figure for figure in figures if figure is not None]
