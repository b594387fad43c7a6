"""Run the soak: `make soak`, or `python -m tests.cluster.soak --minutes 20`.

It ends with exit status 0 if everything is where it was, and all that broke was said in
few words; else with 1, and what is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync

from tests.cluster.calls import FEW_LINES, records_of
from tests.cluster.cluster import Cluster, LogMark, running_cluster
from tests.cluster.postgres import find_programs
from tests.cluster.soak.clients import KINDS
from tests.cluster.soak.faults import FAULTS, Fault, Strike
from tests.cluster.soak.ledger import Ledger
from tests.cluster.soak.measures import Measure, measure
from tests.cluster.soak.probes import wait_until_well
from tests.cluster.soak.report import (
    Strikes,
    is_where_it_was,
    table_of_measures,
    table_of_strikes,
)
from tests.cluster.soak.traffic import Site
from tests.live.restartable import Worker

SETTINGS: Final = {
    # What is kept shall have lapsed by the end.
    "SESSION_MAX_AGE": 60,
    "EVENT_STORE_SECONDS": 30.0,
}
WARM_UP_SECONDS: Final = 20.0
CALM_SECONDS: Final = 3.0
RECOVERY_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 120.0
_OF_THE_START: Final = (
    *("Starting server at", "HTTP/2 support not enabled", "Configuring endpoint"),
    "Listening on TCP",
)


def main() -> None:
    """Read the command line, run, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--layer", choices=["core", "pubsub"], default="core")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="parts of the names of faults"
    )
    options = parser.parse_args()
    programs = find_programs()
    if programs is None:
        sys.exit("PostgreSQL is not installed (Debian's package: postgresql)")
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
        soak = Soak(cluster, faults)
        anyio.run(soak.run, options.minutes * 60)
    say(soak.report())
    if soak.broken:
        say(f"\nThe logs are in {folder}.")
        sys.exit(1)


class Soak:
    """One run of it.

    Args:
        cluster: What is broken and looked at.
        faults: How.
    """

    def __init__(self, cluster: Cluster, faults: Sequence[Fault]) -> None:
        self._cluster = cluster
        self._faults = faults
        self._ledger = Ledger()
        self._strikes = {fault.name: Strikes(fault.name) for fault in faults}
        self._before: Sequence[Measure] = []
        self._after: Sequence[Measure] = []

    @property
    def broken(self) -> dict[str, int]:
        """What is wrong, in words, with how often."""
        return dict(self._ledger.broken)

    async def run(self, seconds: float) -> None:
        """Break one thing after the other for so long."""
        say(f"Traffic for {WARM_UP_SECONDS:g} seconds, while nothing breaks.")
        await self._with_traffic(partial(anyio.sleep, WARM_UP_SECONDS))
        await anyio.sleep(WARM_UP_SECONDS / 2)
        self._before = await run_sync(measure, self._cluster)
        await self._with_traffic(partial(self._strike_all, time.monotonic() + seconds))
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

    async def _strike_all(self, end: float) -> None:
        workers = itertools.cycle(self._cluster.workers)
        for fault in itertools.cycle(self._faults):
            if time.monotonic() > end:
                return
            worker = next(workers)
            mark, began = self._cluster.mark_logs(), time.monotonic()
            await self._do(fault.strike, fault, worker)
            await anyio.sleep(fault.seconds)
            if fault.mend is not None:
                await self._do(fault.mend, fault, worker)
            await run_sync(self._cluster.mend)
            mended = time.monotonic()
            user = self._cluster.users["gus"]
            is_well, last = await wait_until_well(self._cluster, user, RECOVERY_SECONDS)
            recovery = time.monotonic() - mended
            if not is_well:
                self._ledger.broken[f"{fault.name}: afterwards {last}"] += 1
            await anyio.sleep(CALM_SECONDS)
            self._strikes[fault.name].add(
                self._ledger.between(began, time.monotonic()),
                recovery=recovery,
                lines=self._count_lines(fault, mark),
            )
            last = f"; last to fail: {last}" if last else ""
            say(f"{fault.name}: {recovery:.1f} s until all worked{last}")

    async def _do(self, strike: Strike, fault: Fault, worker: Worker) -> None:
        try:
            await run_sync(strike, self._cluster, worker)
        except Exception as error:  # such as a worker that does not end
            self._ledger.broken[f"{fault.name}: {error!r}"] += 1

    def _count_lines(self, fault: Fault, mark: LogMark) -> int:
        most = 0
        for worker in self._cluster.workers:
            lines = [
                line
                for line in records_of(mark.new_lines(worker))
                if not any(text in line for text in _OF_THE_START)
            ]
            most = max(most, len(lines))
            if len(lines) > FEW_LINES:
                self._ledger.broken[f"{fault.name}: more than {FEW_LINES} lines"] += 1
        return most

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
                table_of_strikes(self._strikes.values()),
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
