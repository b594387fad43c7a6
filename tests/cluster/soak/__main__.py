"""Run the soak: `make soak`, or `python -m tests.cluster.soak --minutes 20`.

It ends with exit status 0 if everything is where it was, and all that broke was said in
few words; else with 1, and what is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync

from benchmarks.report import replace_parts
from tests.cluster.clocks import find_compiler
from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.postgres import find_programs
from tests.cluster.soak.clients import KINDS
from tests.cluster.soak.faults import FAULTS, Fault
from tests.cluster.soak.ledger import Call, Ledger
from tests.cluster.soak.measures import Measure, measure
from tests.cluster.soak.picture import draw
from tests.cluster.soak.report import (
    fault_tables,
    is_where_it_was,
    table_of_measures,
    table_of_strikes,
)
from tests.cluster.soak.striking import Struck, strike
from tests.cluster.soak.traffic import Site

SETTINGS: Final = {
    # What is kept shall have lapsed by the end.
    "SESSION_MAX_AGE": 60,
    "EVENT_STORE_SECONDS": 30.0,
}
WARM_UP_SECONDS: Final = 20.0
CALM_SECONDS: Final = 3.0
SETTLE_SECONDS: Final = 120.0


def main() -> None:
    """Read the command line, run, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--layer", choices=["core", "pubsub"], default="core")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="parts of the names of faults"
    )
    parser.add_argument(
        "--rounds", type=int, default=0, help="strike each fault so often, then end"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="most that a thing stays broken"
    )
    parser.add_argument("--page", type=Path, help="page whose tables to write")
    parser.add_argument("--picture", type=Path, help="SVG file to draw")
    options = parser.parse_args()
    programs = find_programs()
    if programs is None:
        sys.exit("PostgreSQL is not installed (Debian's package: postgresql)")
    if find_compiler() is None:
        sys.exit("there is no C compiler (Debian's packages: gcc libc6-dev)")
    faults = [
        fault for fault in FAULTS if any(part in fault.name for part in options.only)
    ]
    folder = Path(tempfile.mkdtemp(prefix="mcp-soak-"))
    with running_cluster(
        folder,
        programs,
        workers=options.workers,
        layer_kind=options.layer,
        extra={"CLUSTER_MCP": json.dumps(SETTINGS)},
    ) as cluster:
        soak = Soak(cluster, faults, options.seconds)
        anyio.run(soak.run, options.minutes * 60, options.rounds)
    say(soak.report())
    if options.page:
        parts = {"faults": fault_tables(soak.struck, soak.wrong_counts())}
        page = replace_parts(options.page.read_text(), parts)
        options.page.write_text(page)
    if options.picture:
        options.picture.write_text(draw(soak.calls, soak.struck))
    if soak.broken:
        say(f"\nThe logs are in {folder}.")
        sys.exit(1)


_NEVER: Final = {
    "lost without a sign": "silence",
    "answered twice, or run twice": "twice|more than once",
    "answered to another client, or run as another": "another|as another user",
}


class Soak:
    """One run of it.

    Args:
        cluster: What is broken and looked at.
        faults: How.
        seconds: For how long each at most.
    """

    def __init__(
        self, cluster: Cluster, faults: Sequence[Fault], seconds: float
    ) -> None:
        self._seconds = seconds
        self._cluster = cluster
        self._faults = faults
        self._ledger = Ledger()
        self.struck: list[Struck] = []
        self._before: Sequence[Measure] = []
        self._after: Sequence[Measure] = []

    @property
    def broken(self) -> dict[str, int]:
        """What is wrong, in words, with how often."""
        return dict(self._ledger.broken)

    @property
    def calls(self) -> Sequence[Call]:
        """All calls of the clients."""
        return list(self._ledger.calls.values())

    def wrong_counts(self) -> dict[str, int]:
        """Count what must not happen at all, by what it is."""
        broken = self.broken
        return {
            name: sum(n for what, n in broken.items() if re.search(pattern, what))
            for name, pattern in _NEVER.items()
        }

    async def run(self, seconds: float, rounds: int) -> None:
        """Break one thing after the other for so long, or so often if not 0."""
        say(f"Traffic for {WARM_UP_SECONDS:g} seconds, while nothing breaks.")
        await self._with_traffic(partial(anyio.sleep, WARM_UP_SECONDS))
        await anyio.sleep(WARM_UP_SECONDS / 2)
        if not rounds:
            self._before = await run_sync(measure, self._cluster)
        await self._with_traffic(
            partial(self._strike_all, time.monotonic() + seconds, rounds)
        )
        if not rounds:
            say("The traffic has ended; now everything has to be where it was.")
            await self._settle()
        self._ledger.audit(self._cluster.ran())

    async def _with_traffic(self, work: partial) -> None:  # type: ignore[type-arg]
        site = Site(self._cluster, self._ledger)
        users = [user for user in self._cluster.users.values() if user.name < "g"]
        async with anyio.create_task_group() as tasks:
            for kind, user in zip(KINDS, itertools.cycle(users), strict=False):
                tasks.start_soon(site.keep, partial(kind, site, user))
            await work()
            site.is_open = False
            tasks.cancel_scope.deadline = anyio.current_time() + 5
        for call in self._ledger.calls.values():
            if call.outcome == "waiting":
                call.end("left", "the traffic ended")

    async def _strike_all(self, end: float, rounds: int) -> None:
        workers = itertools.cycle(self._cluster.workers)
        for fault in itertools.cycle(self._faults):
            if time.monotonic() > end:
                return
            worker = next(workers)
            struck = await strike(
                self._cluster,
                self._ledger,
                fault,
                worker,
                seconds=min(fault.seconds, self._seconds),
                calm_seconds=CALM_SECONDS,
            )
            self.struck.append(struck)
            for text in struck.compare():
                self._ledger.broken[f"{fault.name}: {text}"] += 1
            say(f"{fault.name}: {struck.recovery:.1f} s until all worked")
            if rounds and len(self.struck) >= rounds * len(self._faults):
                return

    async def _settle(self) -> None:
        """Wait until everything is where it was, or for as long as that may take."""
        with anyio.move_on_after(SETTLE_SECONDS):
            while True:
                self._after = await run_sync(measure, self._cluster)
                if all(map(is_where_it_was, self._before, self._after)):
                    return
                await anyio.sleep(2)
        for was, now in zip(self._before, self._after, strict=True):
            if not is_where_it_was(was, now):
                self._ledger.broken[
                    f"{was.name}: {now.value:.0f}, and {was.value:.0f} before"
                ] += 1

    def report(self) -> str:
        """Say what was found."""
        calls = len(self._ledger.calls)
        wrong = [f"{count} times: {what}" for what, count in self.broken.items()]
        return "\n".join(
            [
                "",
                table_of_strikes(self.struck),
                "",
                table_of_measures(self._before, self._after),
                "",
                f"{calls} calls; {self._ledger.late_cancels} cancellations were taken "
                "and did nothing for ten seconds.",
                f"Connections ended by {dict(self._ledger.ends)}.",
                *(["", "What is wrong:", *wrong] if wrong else ["Nothing is wrong."]),
            ]
        )


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
