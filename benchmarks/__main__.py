"""Run the benchmarks: `make bench`, or `python -m benchmarks --rows modern-32`.

All of it takes some 25 minutes on a quiet machine, and is written into
docs/explanation/performance.md, with pictures beside it. Some rows, or a quick run, are
only printed; some pictures are drawn alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import environments, growth, machine, report
from benchmarks.compare import Options, compare
from benchmarks.figures import Failure, Outcomes
from benchmarks.profile import profile
from benchmarks.rows import LEFT_OUT, ROWS, Row
from benchmarks.wrk import find_wrk


def main() -> None:
    """Measure, print, and write the page; exit 1 if something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=_names(ROWS), help=f"some of {', '.join(ROWS)}")
    parser.add_argument(
        "--pictures",
        type=_names(growth.PICTURES),
        help=f"some of {', '.join(growth.PICTURES)}",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="without other packages, but for those that goals name",
    )
    parser.add_argument("--seconds", type=float, help="for each sample")
    parser.add_argument("--rounds", type=int, help="samples of each")
    given = parser.parse_args()
    find_wrk()
    machine.raise_file_limit()
    machine.pin_load()
    load, *_ = os.getloadavg()
    if warning := machine.warning(load):
        _say(warning)
    is_all = not (given.rows or given.pictures or given.quick)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            seconds=given.seconds or (1.0 if given.quick else 2.0),
            rounds=given.rounds or (3 if given.quick else 5),
            folder=Path(folder),
        )
        if given.rows or not given.pictures:
            rows = given.rows or list(ROWS)
            parts = _measure(rows, options, failures, is_quick=given.quick)
        if is_all:
            parts |= {
                "method": _method(options),
                "profile": _profile(options, failures),
            }
            page = report.PAGE.read_text()
            report.PAGE.write_text(report.replace_parts(page, parts))
        if is_all or given.pictures:
            _draw(given.pictures or list(growth.PICTURES), options)
            failures += growth.failures
    _say("\n" + "\n".join(f"failed: {failure}" for failure in failures))
    sys.exit(1 if failures else 0)


def _names(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return names

    return read


def _measure(
    names: Sequence[str], options: Options, failures: list[str], *, is_quick: bool
) -> dict[str, str]:
    """Measure rows, and print each.

    Returns:
        Parts of the page, by name.
    """
    results: dict[str, tuple[Row, Outcomes]] = {}
    for name in names:
        row = ROWS[name]
        needed = {goal.to for goal in row.goals}
        contenders = {
            name: contender
            for name, contender in row.contenders.items()
            if not is_quick or name not in LEFT_OUT or name in needed
        }
        _say(f"\n{name}: {row.what}")
        results[name] = row, compare(contenders, options)
        _say(report.row_table(*results[name]))
        failures += [
            f"{row.what}, {contender}: {outcome.reason}"
            for contender, outcome in results[name][1].items()
            if isinstance(outcome, Failure)
        ]
    goals = report.goal_table(results)
    _say(f"\ngoals\n{goals}")
    return {
        "overview": report.overview(results),
        "goals": goals,
        "rows": report.all_rows(results),
    }


def _profile(options: Options, failures: list[str]) -> str:
    profiles = {}
    for name in ("raw", "ours"):
        try:
            profiles[name] = profile(name, options)
        except Exception as error:
            failures.append(f"profile of {name}: {error}")
    table = report.profile_table(profiles)
    _say(f"\nwhere the time of a call goes, us\n{table}")
    return table


def _draw(names: Sequence[str], options: Options) -> None:
    for name in names:
        _say(f"\ndrawing {name}")
        with growth.telling(name):
            charts = growth.PICTURES[name](options)
            growth.save(charts, report.PAGE.parent)
            for chart in charts.values():
                _say(f"{chart.title} ({chart.y_label}): {dict(chart.series)}")


def _method(options: Options) -> str:
    return "\n".join(
        [
            f"* Machine: {machine.describe()}.",
            f"* Ours: {environments.own_versions()}.",
            *(
                f"* {name}: {', '.join(pins).replace('==', ' ')}."
                for name, pins in environments.PINS.items()
            ),
            f"* {options.rounds} rounds of {options.seconds:g} s for each.",
        ]
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
