"""The table: what is compared with what, and what we want to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks import environments, in_process, stdio
from benchmarks.calls import Call, Era
from benchmarks.compare import Contender
from benchmarks.figures import Outcomes, Quantity, Spread, ratio_of, spread_of
from benchmarks.http_calls import KEPT, calling, calling_seen, calling_with_token
from benchmarks.servers import OURS, SERVERS, SSE_SERVERS, STDIO_SERVERS
from benchmarks.sse_trips import idling, relayed, tripping


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


_MCPZ = "django-mcpz, gunicorn"

LEFT_OUT = frozenset(
    {
        *("minimum", "minimum, uvicorn"),
        *("SDK, uvicorn", "FastMCP, uvicorn", _MCPZ, "SDK", "django-mcpz"),
    }
)
"""Contenders that a quick run does without, but where a goal names them."""


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


def _stdio_calls(*, is_pipelined: bool) -> Mapping[str, Contender]:
    return {
        name: stdio.calling(*STDIO_SERVERS[server], is_pipelined=is_pipelined)
        for name, server in (
            ("loop", "loop"),
            ("ours", "ours, fixture"),
            ("SDK", "SDK"),
        )
    }


def _sight(*names: str) -> Mapping[str, Contender]:
    """Give servers without and with audit trail, rates and a receiver of signals."""
    call, found = Call("2026-07-28"), {}
    for name in names:
        found[name] = calling_with_token(
            SERVERS[name], call, connections=32, extra=KEPT
        )
        found[f"{name}, seen"] = calling_seen(SERVERS[name], call, connections=32)
    return found


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
    "sse": Row(
        "HTTP+SSE, 50 sessions",
        "round trips/s",
        {name: tripping(server, sessions=50) for name, server in SSE_SERVERS.items()},
        (
            _share("ours", 0.85, every=True),
            _share("ours, mcp_daphne", 1.3),
            _share("ours, uvicorn", 3.5),
        ),
    ),
    "idle": Row(
        "an idle session over HTTP+SSE, of 1,000 initialized",
        "KiB",
        {
            name: idling(SSE_SERVERS[name], sessions=1000)
            for name in ("minimum", "ours", "ours, mcp_daphne", "SDK, uvicorn")
        },
        (Goal("ours", "at most 18 KiB", at_most=18),),
        raw="",
    ),
    "in-process": Row(
        "2026-07-28, one call in process",
        "us",
        {
            "minimum": in_process.calling("benchmarks.sites.minimum:application"),
            "ours": in_process.calling(OURS),
            "SDK": in_process.calling(
                "benchmarks.sites.sdk:application",
                python=partial(environments.python_of, "sdk"),
            ),
            "django-mcpz": in_process.calling(
                "benchmarks.sites.mcpz.wsgi:application",
                kind="wsgi",
                python=partial(environments.python_of, "django-mcpz"),
            ),
        },
        (Goal("ours", "at most 28 us", at_most=28),),
        raw="",
    ),
    "stdio-start": Row(
        "stdio, from the start to `initialize` answered",
        "ms",
        {
            name: stdio.starting(command, extra)
            for name, (command, extra) in STDIO_SERVERS.items()
        },
        (
            Goal("ours, fixture", "at most 0.9 of the SDK's", to="SDK", at_most=0.9),
            Goal("ours, demo", "at most 0.9 of the SDK's", to="SDK", at_most=0.9),
        ),
        raw="",
    ),
    "stdio-calls": Row(
        "stdio, one call after the other",
        "calls/s",
        _stdio_calls(is_pipelined=False),
        (
            Goal("ours", "at least 6,000", at_least=6000),
            Goal("ours", "at least 0.60 of a bare loop", to="loop", at_least=0.6),
        ),
        raw="loop",
    ),
    "stdio-pipelined": Row(
        "stdio, 500 calls at once",
        "calls/s",
        _stdio_calls(is_pipelined=True),
        (
            Goal("ours", "at least 25,000", at_least=25_000),
            Goal("ours", "at least 0.30 of a bare loop", to="loop", at_least=0.3),
        ),
        raw="loop",
    ),
    "orm": Row(
        "a `def` tool with one query (SQLite), 32 connections",
        "calls/s",
        {
            name: calling(
                SERVERS[name],
                Call("2026-07-28", "count_rows", {}),
                connections=32,
                needs_database=True,
            )
            for name in ("ours", "ours, mcp_daphne", "ours, uvicorn", _MCPZ)
        },
        (Goal("ours", "above django-mcpz", to=_MCPZ, at_least=1.0),),
        raw="",
    ),
    "tokens": Row(
        "a bearer token on every call, 32 connections",
        "calls/s",
        {
            "no credentials": calling(
                SERVERS["ours"], Call("2026-07-28"), connections=32
            ),
            "token": calling_with_token(
                SERVERS["ours"], Call("2026-07-28"), connections=32, extra={}
            ),
            "token, cached": calling_with_token(
                SERVERS["ours"],
                Call("2026-07-28"),
                connections=32,
                extra=KEPT,
            ),
            "OAuth": calling_with_token(
                SERVERS["ours"],
                Call("2026-07-28"),
                connections=32,
                extra={},
                is_of_oauth=True,
            ),
            "OAuth, cached": calling_with_token(
                SERVERS["ours"],
                Call("2026-07-28"),
                connections=32,
                extra=KEPT,
                is_of_oauth=True,
            ),
        },
        (
            Goal(
                "token, cached",
                "at most 25 % less than without credentials",
                to="no credentials",
                at_least=0.75,
            ),
            Goal("OAuth", "about what a plain token costs", to="token", at_least=0.85),
            Goal(
                "OAuth, cached",
                "about what a plain token costs",
                to="token, cached",
                at_least=0.85,
            ),
        ),
        raw="no credentials",
    ),
    "sight": Row(
        "a kept token, without and with audit trail, rates and a receiver of signals",
        "calls/s",
        _sight("ours", "ours, mcp_daphne", "ours, uvicorn"),
        tuple(
            Goal(
                f"{name}, seen",
                "at most a tenth less than unseen",
                to=name,
                at_least=0.9,
            )
            for name in ("ours", "ours, mcp_daphne", "ours, uvicorn")
        ),
        raw="ours",
    ),
    "relay": Row(
        "HTTP+SSE over Redis, 50 sessions",
        "round trips/s",
        {
            "to the session's worker": relayed(
                SERVERS["ours"], sessions=50, is_local=True
            ),
            "to another worker": relayed(SERVERS["ours"], sessions=50, is_local=False),
        },
        (
            Goal(
                "to another worker",
                "at least 0.70 of local",
                to="to the session's worker",
                at_least=0.7,
            ),
        ),
        raw="to the session's worker",
    ),
}
"""By the name that `--rows` takes."""
