"""What the soak found, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.cluster.soak.ledger import Call
from tests.cluster.soak.measures import Measure


@dataclass
class Strikes:
    """What was seen of one fault, however often it was struck.

    Attributes:
        name: Of the fault.
        count: How often.
        outcomes: What came of the calls that began meanwhile.
        slowest: Longest time that an answered one took, in seconds.
        recovery: Longest time from its mending until all worked, in seconds.
        lines: Most lines that one worker wrote of it.
    """

    name: str
    count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    recovery: float = 0.0
    lines: int = 0

    def add(self, calls: Iterable[Call], *, recovery: float, lines: int) -> None:
        """Enter one strike."""
        self.count += 1
        self.recovery = max(self.recovery, recovery)
        self.lines = max(self.lines, lines)
        for call in calls:
            self.outcomes[call.outcome] += 1
            if call.outcome == "answered":
                self.slowest = max(self.slowest, call.seconds)


_OUTCOMES = ("answered", "refused", "failed", "lost", "left")


def table_of_strikes(strikes: Iterable[Strikes]) -> str:
    """Draw a row for each fault."""
    head = ("fault", "times", *_OUTCOMES, "slowest", "recovery", "lines")
    rows = [
        (
            found.name,
            found.count,
            *(found.outcomes[outcome] for outcome in _OUTCOMES),
            f"{found.slowest:.1f} s",
            f"{found.recovery:.1f} s",
            found.lines,
        )
        for found in strikes
        if found.count
    ]
    return _draw([head, *rows])


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
