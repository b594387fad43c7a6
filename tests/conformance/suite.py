"""Run the official conformance suite against the fixture site: `make conformance`.

Both requirement sets are run at their own version, and the scenarios that the suite
offers beyond them too. Each one has to pass; those of the tasks extension do not
count, because we do not offer it. Results come from the files that the suite writes,
not from what it prints.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.daphne import running_daphne
from tests.live.node import node, npm_packages

PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
REVISIONS = ("2025-11-25", "2026-07-28")
_TIMEOUT = 900.0
"""Seconds that one requirement set may take."""


@dataclass(frozen=True)
class Requirements:
    """The scenarios for servers of one revision.

    Attributes:
        scored: Names of those that the revision requires.
        offered: Names of others that the suite runs as well, without extensions.
    """

    scored: Sequence[str]
    offered: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What came of one scenario.

    Attributes:
        failures: Texts of the checks that failed.
        warnings: Texts of the checks that found a SHOULD ignored.
    """

    failures: Sequence[str]
    warnings: Sequence[str]

    @property
    def has_passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures


def main() -> None:
    """Run all, print a line for each scenario and a summary; exit 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="new folder to keep the results in")
    options = parser.parse_args()
    summary = []
    has_passed = True
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        output = options.output or Path(temporary, "results")
        # A new one, because results of another run would be taken for ours.
        output.mkdir(parents=True)
        site = stack.enter_context(running_daphne(output))
        for revision in REVISIONS:
            requirements = read_requirements(revision)
            outcomes = run_set(revision, f"{site.url}/mcp", output / revision)
            _say(f"\n{revision}")
            scored = _show(requirements.scored, outcomes)
            _say("  offered beyond the required")
            offered = _show(requirements.offered, outcomes)
            summary += [
                f"{revision}: {scored} of {len(requirements.scored)}",
                f"{revision}, beyond: {offered} of {len(requirements.offered)}",
            ]
            has_passed &= scored == len(requirements.scored)
            has_passed &= offered == len(requirements.offered)
    _say("\n" + "\n".join(summary))
    sys.exit(0 if has_passed else 1)


def read_requirements(revision: str) -> Requirements:
    """Ask the suite which scenarios there are."""
    printed = _conformance("list", "--requirements", revision).stdout
    required, _, rest = printed.partition("Client scenarios")
    scored = re.findall(r"^  - (\S+)$", required, re.MULTILINE)
    groups = re.findall(r"^  (\S+) \(\d+\):\n((?:    - .*\n)+)", rest, re.MULTILINE)
    offered = [
        name
        for reason, entries in groups
        if reason != "extension"
        for name in re.findall(r"^    - (\S+) \[server\]$", entries, re.MULTILINE)
    ]
    assert scored, f"the suite's list has no scenario:\n{printed}"
    return Requirements(scored, offered)


def run_set(revision: str, url: str, folder: Path) -> dict[str, Outcome]:
    """Run the scenarios of a revision.

    Args:
        revision: Such as "2025-11-25".
        url: Endpoint of the server.
        folder: Where the suite writes a folder for each scenario.

    Returns:
        Mapping of a scenario's name to its outcome, for those that came to an end.
    """
    folder.mkdir()
    options = ["--url", url, "--requirements", revision, "--output-dir", str(folder)]
    done = _conformance("server", *options)
    (folder / "printed.txt").write_text(done.stdout + done.stderr)
    outcomes = {}
    for path in folder.glob("*/checks.json"):
        # The suite adds the time, such as -2026-07-28T10-00-00-000Z.
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.name)
        checks = json.loads(path.read_text())
        outcomes[name.removeprefix("server-")] = Outcome(
            _texts(checks, "FAILURE"), _texts(checks, "WARNING")
        )
    assert outcomes, f"the suite ran nothing:\n{done.stdout}{done.stderr}"
    return outcomes


def _texts(checks: Sequence[dict[str, Any]], status: str) -> list[str]:
    return [
        f"{check['name']}: {check.get('errorMessage') or check['description']}"
        for check in checks
        if check["status"] == status
    ]


def _show(names: Sequence[str], outcomes: dict[str, Outcome]) -> int:
    """Print what came of the scenarios, and count those that passed."""
    passed = 0
    for name in names:
        outcome = outcomes.get(name, Outcome(["did not come to an end"], []))
        passed += outcome.has_passed
        _say(f"  {'passed' if outcome.has_passed else 'FAILED'}  {name}")
        for text in outcome.failures:
            _say(f"          {text}")
        for text in outcome.warnings:
            _say(f"          warning: {text}")
    return passed


def _conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the suite's command; a server that fails makes it exit with 1."""
    program = npm_packages("conformance", {PACKAGE: VERSION}) / "node_modules" / PACKAGE
    return subprocess.run(
        [node(), str(program / "dist" / "index.js"), *arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
