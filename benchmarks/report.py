"""Tables of what was measured, for a terminal and for the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import (
    Failure,
    Outcomes,
    Spread,
    cpu_share_of,
    ratio_of,
    spread_of,
)
from benchmarks.rows import Goal, Row

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"


def row_table(row: Row, outcomes: Outcomes) -> str:
    """Give all that is known of a row, as a table in Markdown."""
    has_p99 = any(spread_of(outcomes, name, "p99_ms") for name in outcomes)
    has_cpu = any(spread_of(outcomes, name, "cpu_us") for name in outcomes)
    head = ["", row.unit, "least to greatest"]
    head += [f"of {row.raw}"] if row.raw else []
    head += ["p99 ms"] if has_p99 else []
    head += ["CPU us"] if has_cpu else []
    head += ["by CPU"] if has_cpu and row.raw else []
    lines = []
    for name, outcome in outcomes.items():
        found = spread_of(outcomes, name)
        if isinstance(outcome, Failure) or found is None:
            reason = outcome.reason if isinstance(outcome, Failure) else "no sample"
            lines.append([name, f"failed: {_cell(reason)}"] + [""] * (len(head) - 2))
            continue
        line = [name, number(found.median), _range(found)]
        if row.raw:
            line.append(_ratio(ratio_of(outcomes, name, row.raw)))
        if has_p99:
            line.append(_median(spread_of(outcomes, name, "p99_ms")))
        if has_cpu:
            line.append(_median(spread_of(outcomes, name, "cpu_us")))
            if row.raw:
                line.append(_ratio(cpu_share_of(outcomes, name, row.raw)))
        lines.append(line)
    return _table(head, lines)


_COLUMNS = (
    "minimum",
    "ours",
    "ours, mcp_daphne",
    "ours, uvicorn",
    "SDK, uvicorn",
    "FastMCP, uvicorn",
    "django-mcpz, gunicorn",
)


def overview(results: Mapping[str, tuple[Row, Outcomes]]) -> str:
    """Give the shares of the raw application in one table in Markdown."""
    lines = [
        [row.what, *(_ratio(ratio_of(outcomes, name, "raw")) for name in _COLUMNS)]
        for row, outcomes in results.values()
        if "raw" in outcomes
    ]
    return _table(["", *_COLUMNS], lines)


def all_rows(results: Mapping[str, tuple[Row, Outcomes]]) -> str:
    """Give the tables of all rows, each under its heading."""
    return "\n\n".join(
        f"### {row.what[0].upper()}{row.what[1:]}\n\n{row_table(row, outcomes)}"
        for row, outcomes in results.values()
    )


def profile_table(profiles: Mapping[str, Mapping[str, float]]) -> str:
    """Give where the time of a call goes, as a table in Markdown.

    Args:
        profiles: Mapping of a server's name to microseconds by package.
    """
    packages: dict[str, float] = {}
    for shares in profiles.values():
        for package, microseconds in shares.items():
            packages[package] = max(packages.get(package, 0.0), microseconds)
    shown = [package for package, most in packages.items() if most >= 1]
    lines = [
        [f"`{package}`", *(number(of.get(package, 0.0)) for of in profiles.values())]
        for package in sorted(shown, key=lambda package: -packages[package])
    ]
    whole = [number(sum(shares.values())) for shares in profiles.values()]
    return _table(["package", *profiles], [*lines, ["all", *whole]])


def goal_table(results: Mapping[str, tuple[Row, Outcomes]]) -> str:
    """Give the goals of all rows beside what was reached, as a table in Markdown."""
    lines = []
    for row, outcomes in results.values():
        for goal in row.goals:
            reached = goal.reached(outcomes)
            lines.append(
                [
                    row.what,
                    goal.name,
                    goal.text,
                    _reached(goal, reached),
                    _verdict(goal, reached),
                ]
            )
    return _table(["what", "of", "goal", "reached (least to greatest)", ""], lines)


def replace_parts(page: str, parts: Mapping[str, str]) -> str:
    """Put what was measured between the marks of a page; what stands around them stays.

    Args:
        page: Text with `<!-- NAME -->` and `<!-- end of NAME -->`.
        parts: By name.

    Raises:
        ValueError: The page has no such marks.
    """
    for name, text in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        whole = f"{begin}\n{text}\n{end}"
        page, count = pattern.subn(whole.replace("\\", r"\\"), page)
        if count != 1:
            raise ValueError(f"the page has {count} parts named {name!r}, not one")
    return page


def number(value: float) -> str:
    """Write a figure with three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _reached(goal: Goal, reached: Spread | None) -> str:
    if reached is None:
        return "not measured"
    times = "x" if goal.to else ""
    return f"{number(reached.median)}{times} ({_range(reached)})"


def _verdict(goal: Goal, reached: Spread | None) -> str:
    if reached is None:
        return "failed"
    return "met" if goal.is_met(reached) else "**missed**"


def _range(found: Spread) -> str:
    return f"{number(found.least)} to {number(found.greatest)}"


def _ratio(found: Spread | None) -> str:
    return f"{found.median:.2f}x" if found else ""


def _median(found: Spread | None) -> str:
    return number(found.median) if found else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")[:200]


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
