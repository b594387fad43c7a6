"""Run the benchmarks: `make bench`, or `python -m benchmarks --rows modern-32`.

The results of all rows are written to docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import machine, report
from benchmarks.compare import Options, compare
from benchmarks.figures import Failure, Outcomes
from benchmarks.rows import PEERS, ROWS, Row
from benchmarks.wrk import find_wrk


def main() -> None:
    """Measure, print, and write the page; exit 1 if something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="without other packages")
    parser.add_argument("--seconds", type=float, help="for each sample")
    parser.add_argument("--rounds", type=int, help="samples of each")
    given = parser.parse_args()
    names = given.rows.split(",") if given.rows else list(ROWS)
    if unknown := set(names) - set(ROWS):
        parser.error(f"unknown rows {', '.join(sorted(unknown))}")
    find_wrk()
    machine.raise_file_limit()
    results: dict[str, tuple[Row, Outcomes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            seconds=given.seconds or (1.0 if given.quick else 3.0),
            rounds=given.rounds or (3 if given.quick else 5),
            folder=Path(folder),
        )
        for name in names:
            row = ROWS[name]
            _say(f"\n{name}: {row.what}")
            results[name] = row, _measure(row, options, quick=given.quick)
            _say(report.row_table(*results[name]))
    _say("\n" + report.goal_table(results))
    outcomes = [of for _, of in results.values()]
    failed = any(isinstance(it, Failure) for of in outcomes for it in of.values())
    sys.exit(1 if failed else 0)


def _measure(row: Row, options: Options, *, quick: bool) -> Outcomes:
    needed = {goal.to for goal in row.goals} | {goal.name for goal in row.goals}
    contenders = {
        name: contender
        for name, contender in row.contenders.items()
        if not quick or name in needed or name not in PEERS
    }
    return compare(contenders, options)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
