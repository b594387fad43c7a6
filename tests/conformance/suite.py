"""Run the official conformance suite against our server and our client.

That is `make conformance`. The server is the fixture site; the client is
`tests.conformance.client`; the authorization server is the demo, whose pages Chromium
visits. Both requirement sets are run at their own version, and the
scenarios that the suite offers beyond them too. Each one has to pass. Those of
extensions that we have not are left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.conformance.authorization import SCENARIOS, run_authorization_scenarios
from tests.conformance.runs import (
    Outcome,
    Requirements,
    read_requirements,
    run_client_scenario,
    run_server_set,
)
from tests.live.daphne import running_daphne

REVISIONS = ("2025-11-25", "2026-07-28")

OLD_REVISION = "2025-03-26"
OLD_SCENARIOS = (
    "auth/2025-03-26-oauth-endpoint-fallback",
    "auth/2025-03-26-oauth-metadata-backcompat",
)
"""For clients of the old revision, whose requirements the suite does not list."""


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
        for revision, role, requirements, outcomes in _run_all(output):
            _say(f"\n{revision}, {role}")
            scored = _show(requirements.scored, outcomes)
            _say("  offered beyond the required")
            offered = _show(requirements.offered, outcomes)
            summary += [
                f"{revision}, {role}: {scored} of {len(requirements.scored)}",
                f"{revision}, {role}, beyond: {offered} of {len(requirements.offered)}",
            ]
            has_passed &= scored == len(requirements.scored)
            has_passed &= offered == len(requirements.offered)
    _say("\n" + "\n".join(summary))
    sys.exit(0 if has_passed else 1)


def _run_all(
    output: Path,
) -> Iterator[tuple[str, str, Requirements, Mapping[str, Outcome]]]:
    """Run one set after the other.

    Yields:
        Revision, role, the scenarios, and mapping of a scenario's name to its outcome.
    """
    required = {revision: read_requirements(revision) for revision in REVISIONS}
    with running_daphne(output) as site:
        for revision in REVISIONS:
            folder = output / "server" / revision
            outcomes = run_server_set(revision, f"{site.url}/mcp", folder)
            yield revision, "server", required[revision]["server"], outcomes
    clients = {revision: required[revision]["client"] for revision in REVISIONS}
    clients[OLD_REVISION] = Requirements([], OLD_SCENARIOS)
    for revision, requirements in clients.items():
        outcomes = {}
        for name in [*requirements.scored, *requirements.offered]:
            folder = output / "client" / revision / name
            outcome = run_client_scenario(revision, name, folder)
            if outcome is not None:
                outcomes[name] = outcome
        yield revision, "client", requirements, outcomes
    outcomes = run_authorization_scenarios(output / "authorization")
    yield "all revisions", "authorization server", Requirements(SCENARIOS, []), outcomes


def _show(names: Sequence[str], outcomes: Mapping[str, Outcome]) -> int:
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


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
