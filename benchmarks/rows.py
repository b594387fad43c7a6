"""The table: what is compared with what, and what we want to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.calls import Call, Era
from benchmarks.compare import Contender
from benchmarks.figures import Outcomes, Quantity, Spread, ratio_of, spread_of
from benchmarks.http_calls import calling
from benchmarks.servers import SERVERS


@dataclass(frozen=True)
class Goal:
    """What one contender shall reach.

    Attributes:
        name: Of the contender.
        text: The goal in words.
        to: The contender it is compared with in each round; None for the figure itself.
        quantity: What is compared.
        at_least: The least that counts as reached; None if less is better.
        at_most: The greatest that counts as reached; None if more is better.
        in_every_round: Whether the worst round counts, and not the median.
    """

    name: str
    text: str
    to: str | None = None
    quantity: Quantity = "value"
    at_least: float | None = None
    at_most: float | None = None
    in_every_round: bool = False

    def reached(self, outcomes: Outcomes) -> Spread | None:
        """Give what was reached, or None if that is not known."""
        if self.to is None:
            return spread_of(outcomes, self.name, self.quantity)
        return ratio_of(outcomes, self.name, self.to, self.quantity)

    def is_met(self, reached: Spread) -> bool:
        """Say whether that is enough."""
        if self.at_least is not None:
            value = reached.least if self.in_every_round else reached.median
            return value >= self.at_least
        assert self.at_most is not None
        value = reached.greatest if self.in_every_round else reached.median
        return value <= self.at_most


@dataclass(frozen=True)
class Row:
    """What is compared.

    Attributes:
        what: Heading.
        unit: Of the figures.
        contenders: By name.
        goals: What we want.
        raw: The contender that others are given as a share of; "" for none.
    """

    what: str
    unit: str
    contenders: Mapping[str, Contender]
    goals: tuple[Goal, ...] = field(default=())
    raw: str = "raw"


PEERS = frozenset({"SDK, uvicorn", "FastMCP, uvicorn", "django-mcpz, gunicorn"})
"""Contenders that a quick run leaves out, but where a goal is about them."""


def _calls(era: Era, connections: int) -> Mapping[str, Contender]:
    return {
        name: calling(server, Call(era), connections=connections)
        for name, server in SERVERS.items()
    }


def _share(name: str, share: float, text: str = "", every: bool = False) -> Goal:
    return Goal(
        name,
        text or f"at least {share:.2f} of raw" + (" in every round" if every else ""),
        to="raw",
        at_least=share,
        in_every_round=every,
    )


def _p99(share: float) -> Goal:
    text = f"p99 at most {share:.1f} of raw's"
    return Goal("ours", text, to="raw", quantity="p99_ms", at_most=share)


ROWS: Mapping[str, Row] = {
    "modern-32": Row(
        "2026-07-28, 32 connections",
        "calls/s",
        _calls("2026-07-28", 32),
        (
            _share("ours", 0.88, every=True),
            _p99(0.6),
            _share("ours, mcp_daphne", 1.3),
            _share("ours, uvicorn", 3.5),
        ),
    ),
    "legacy-32": Row(
        "2025-11-25 in a session, 32 connections",
        "calls/s",
        _calls("2025-11-25", 32),
        (
            _share("ours", 0.85, every=True),
            _p99(0.6),
            _share("ours, mcp_daphne", 1.3),
            _share("ours, uvicorn", 3.5),
        ),
    ),
    "modern-1": Row(
        "2026-07-28, one connection",
        "calls/s",
        _calls("2026-07-28", 1),
        (_share("ours", 0.85), _p99(1.0)),
    ),
    "legacy-1": Row(
        "2025-11-25 in a session, one connection",
        "calls/s",
        _calls("2025-11-25", 1),
        (_share("ours", 0.85), _p99(1.0)),
    ),
}
