"""What the soak found, as tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.cluster.soak.ledger import Call, Outcome, sign_of
from tests.cluster.soak.measures import Measure
from tests.cluster.soak.striking import Struck

_OUTCOMES: Final[Sequence[Outcome]] = ("answered", "refused", "failed", "lost", "left")


def table_of_strikes(struck: Sequence[Struck]) -> str:
    """Draw a row for each fault."""
    head = ("fault", "times", *_OUTCOMES, "slowest", "recovery", "lines")
    rows = []
    for name, times in _by_fault(struck).items():
        calls = [call for each in times for call in each.calls]
        outcomes = Counter(call.outcome for call in calls)
        rows.append(
            (
                name,
                len(times),
                *(outcomes[outcome] for outcome in _OUTCOMES),
                f"{_slowest(calls):.1f} s",
                f"{max(each.recovery for each in times):.1f} s",
                max(len(each.lines) for each in times),
            )
        )
    return _draw([head, *rows])


def fault_tables(struck: Sequence[Struck], wrong: Mapping[str, int]) -> str:
    """Write what was seen of each fault, as tables in Markdown.

    Args:
        struck: What was seen.
        wrong: What must not happen, with how often it did.
    """
    seen, said = [], []
    for name, times in _by_fault(struck).items():
        calls = [call for each in times for call in each.calls]
        signs = Counter(filter(None, map(sign_of, calls)))
        answered = sum(call.outcome == "answered" for call in calls)
        others = ", ".join(f"{count} {sign}" for sign, count in signs.most_common())
        seen.append(
            [
                name,
                times[0].fault.sees,
                f"{answered} answered" + (f", {others}" if others else ""),
                f"{_slowest(calls):.1f} s",
                f"{max(each.recovery for each in times):.1f} s",
            ]
        )
        most = max((each.lines for each in times), key=len)
        grave = [line for line in most if " INFO " not in line] or most
        first = _without_addresses(grave[0]) if grave else ""
        said.append([name, str(len(most)), f"`{first}`" if first else ""])
    count = sum(len(each.calls) for each in struck)
    return "\n\n".join(
        [
            f"{count:,} calls while things broke, over every binding. Of all of them:",
            _markdown(["", "calls"], [[name, str(n)] for name, n in wrong.items()]),
            _markdown(
                ["fault", "clients see", "calls", "slowest end", "all works after"],
                seen,
            ),
            _markdown(["fault", "lines in the log", "the first of them"], said),
        ]
    )


def _by_fault(struck: Sequence[Struck]) -> Mapping[str, Sequence[Struck]]:
    found: dict[str, list[Struck]] = {}
    for each in struck:
        found.setdefault(each.fault.name, []).append(each)
    return found


def _slowest(calls: Iterable[Call]) -> float:
    ended = [call.seconds for call in calls if call.outcome != "left"]
    return max(ended, default=0.0)


def _without_addresses(line: str) -> str:
    """Leave out what is another each time: when, and which port."""
    text = re.sub(r"^\S+ \S+ ", "", line)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text).replace("|", "\\|")[:200]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table_of_measures(before: Sequence[Measure], after: Sequence[Measure]) -> str:
    """Draw a row for each measure."""
    head = ("measure", "before", "after", "may be", "")
    rows = [
        (
            was.name,
            f"{was.value:.0f}",
            f"{now.value:.0f}",
            f"{was.value + was.room:.0f}",
            "" if is_where_it_was(was, now) else "MORE",
        )
        for was, now in zip(before, after, strict=True)
    ]
    return _draw([head, *rows])


def is_where_it_was(was: Measure, now: Measure) -> bool:
    """Compare a measure of the end with that of the beginning."""
    return now.value <= was.value + was.room


def _draw(rows: Sequence[Sequence[object]]) -> str:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for first, *rest in texts:
        cells = [first.ljust(widths[0])]
        cells += [
            cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
