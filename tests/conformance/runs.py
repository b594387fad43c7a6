"""Runs scenarios of the official conformance suite, and reads what came of them.

Results come from the files that the suite writes, not from what it prints.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tests.conformance.client import FINISHED
from tests.live.node import node, npm_packages
from tests.live.processes import ROOT

PACKAGE: Final = "@modelcontextprotocol/conformance"
VERSION: Final = "0.2.0-alpha.12"

EXTENSIONS: Final = (
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/enterprise-managed-authorization",
    "auth/wif-jwt-bearer",
)
"""Scenarios of the extensions that we have."""

Role: TypeAlias = Literal["server", "client"]

_TIMEOUT = 900.0
"""Seconds that one run of the suite may take."""

_CLIENT_TIMEOUT_MS = 60_000
"""How long one client may take for a scenario."""

_CLIENT_COMMAND = f"{shlex.quote(sys.executable)} -m tests.conformance.client"


@dataclass(frozen=True)
class Requirements:
    """The scenarios of one revision for one role.

    Attributes:
        scored: Names of those that the revision requires.
        offered: Names of others that the suite has as well, with the extensions that
            we have.
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


def read_requirements(revision: str) -> Mapping[Role, Requirements]:
    """Ask the suite which scenarios there are."""
    printed = _conformance("list", "--requirements", revision).stdout
    required, _, others = printed.partition("Run and reported, but never scored")
    servers, _, clients = required.partition("Client scenarios")
    groups = re.findall(r"^  (\S+) \(\d+\):\n((?:    - .*\n)+)", others, re.MULTILINE)

    def requirements(role: Role, text: str) -> Requirements:
        names = re.findall(r"^  - (\S+)$", text, re.MULTILINE)
        assert names, f"the suite's list has no scenario for a {role}:\n{printed}"
        offered = [
            name
            for reason, entries in groups
            for name in re.findall(rf"^    - (\S+) \[{role}\]$", entries, re.MULTILINE)
            if reason != "extension" or name in EXTENSIONS
        ]
        return Requirements(names, offered)

    return {
        "server": requirements("server", servers),
        "client": requirements("client", clients),
    }


def run_server_set(revision: str, url: str, folder: Path) -> Mapping[str, Outcome]:
    """Run the scenarios of a revision against a server.

    Args:
        revision: Such as "2025-11-25".
        url: Endpoint of the server.
        folder: New; where the suite writes a folder for each scenario.

    Returns:
        Mapping of a scenario's name to its outcome, for those that came to an end.
    """
    folder.mkdir(parents=True)
    done = _conformance(
        *("server", "--url", url, "--requirements", revision),
        *("--output-dir", str(folder)),
    )
    (folder / "printed.txt").write_text(done.stdout + done.stderr)
    outcomes = {}
    for path in folder.glob("*/checks.json"):
        # The suite adds the time, such as -2026-07-28T10-00-00-000Z.
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.name)
        outcomes[name.removeprefix("server-")] = read_outcome(path)
    assert outcomes, f"the suite ran nothing:\n{done.stdout}{done.stderr}"
    return outcomes


def run_client_scenario(revision: str, name: str, folder: Path) -> Outcome | None:
    """Run one scenario against our client.

    One at a time, because the suite would start them all at once, and measures time.

    Args:
        revision: Such as "2025-11-25".
        name: Of the scenario.
        folder: New; where the suite writes.

    Returns:
        The outcome; None if it did not come to an end.
    """
    folder.mkdir(parents=True)
    done = _conformance(
        *("client", "--command", _CLIENT_COMMAND, "--timeout", str(_CLIENT_TIMEOUT_MS)),
        *("--scenario", name, "--spec-version", revision, "--output-dir", str(folder)),
        # Extensions belong to no revision.
        "--force",
    )
    (folder / "printed.txt").write_text(done.stdout + done.stderr)
    # In a folder more for each slash in the name.
    for path in folder.rglob("checks.json"):
        outcome = read_outcome(path)
        if FINISHED in path.with_name("stdout.txt").read_text():
            return outcome
        # Some scenarios let a client fail that refuses to go on; ours never has to.
        said = path.with_name("stderr.txt").read_text()
        failures = [*outcome.failures, f"the client did not finish:\n{said}"]
        return Outcome(failures, outcome.warnings)
    return None


def read_outcome(path: Path) -> Outcome:
    """Read the checks of one scenario."""
    checks = json.loads(path.read_text())
    return Outcome(_texts(checks, "FAILURE"), _texts(checks, "WARNING"))


def _texts(checks: Sequence[dict[str, Any]], status: str) -> list[str]:
    return [
        f"{check['name']}: {check.get('errorMessage') or check['description']}"
        for check in checks
        if check["status"] == status
    ]


def command_of(*arguments: str) -> list[str]:
    """Give the command line of the suite."""
    program = npm_packages("conformance", {PACKAGE: VERSION}) / "node_modules" / PACKAGE
    return [node(), str(program / "dist" / "index.js"), *arguments]


def _conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the suite's command; who fails its scenarios makes it exit with 1."""
    return subprocess.run(
        command_of(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
