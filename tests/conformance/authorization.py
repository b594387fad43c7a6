"""Runs the suite's scenarios for authorization servers against the demo.

The suite prints a page for its user to visit. Here a real Chromium does so, logs in as
the demo's reader, and allows what is asked.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Final

from tests.conformance.runs import Outcome, command_of, read_outcome
from tests.demo.conftest import Demo, serve, start_chromium
from tests.demo.programs import Callback, Program, browsing, log_in
from tests.live.processes import ROOT
from tests.live.redis import free_port

SCENARIOS: Final = (
    "authorization-server-metadata-endpoint",
    "authorization-code-grant",
)

_SECONDS: Final = 60.0
"""How long the suite may take to name its page, and to end after it was visited."""


def run_authorization_scenarios(folder: Path) -> Mapping[str, Outcome]:
    """Run the scenarios against a demo of its own.

    Args:
        folder: New; where the suite writes, and the demo has its database.

    Returns:
        Mapping of a scenario's name to its outcome, for those that came to an end.
    """
    folder.mkdir(parents=True)
    demo = Demo(folder / "demo.sqlite3")
    demo.prepare()
    with serve(demo) as site:
        callback = Callback(free_port())
        program = Program.register(site, callback, "Conformance suite")
        printed = _run(program, folder)
    (folder / "printed.txt").write_text(printed)
    outcomes = {}
    for path in folder.rglob("checks.json"):
        for name in SCENARIOS:
            if name in path.parent.name and _was_run(path):
                outcomes[name] = read_outcome(path)
    return outcomes


def _run(program: Program, folder: Path) -> str:
    """Run both scenarios, and give what is printed; the second needs the first."""
    command = command_of(
        *("authorization", "--url", program.site, "--output-dir", str(folder)),
        *("--client-id", program.client_id, "--resource", program.resource),
        *("--port", str(program.callback.port)),
    )
    printed: list[str] = []
    pages: Queue[str] = Queue()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as suite:
        assert suite.stdout is not None
        reader = Thread(target=_read, args=(suite.stdout, printed, pages))
        reader.start()
        try:
            if page := pages.get(timeout=_SECONDS):
                _visit(page)
            suite.wait(_SECONDS)
        finally:
            suite.kill()
            reader.join()
    return "".join(printed)


def _read(output: IO[str], printed: list[str], pages: Queue[str]) -> None:
    """Read what is printed to its end; pass on the page in it, or "" for none."""
    for line in output:
        printed.append(line)
        if re.match(r"https?://\S+\?\S*response_type=code", line):
            pages.put(line.strip())
    pages.put("")


def _visit(url: str) -> None:
    """Log in, and allow what is asked."""
    with start_chromium() as chromium, browsing(chromium) as page:
        page.goto(url)
        log_in(page)
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url("**/callback?**")


def _was_run(path: Path) -> bool:
    """Say whether a scenario came to a verdict, and was not skipped."""
    return any(
        check["status"] in ("SUCCESS", "FAILURE")
        for check in json.loads(path.read_text())
    )
