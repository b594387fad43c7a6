"""One fault from its beginning until all works again, while clients go on."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.to_thread import run_sync

from tests.cluster.calls import FEW_LINES, records_of
from tests.cluster.cluster import Cluster, LogMark
from tests.cluster.soak.faults import Fault
from tests.cluster.soak.ledger import Call, Ledger, sign_of
from tests.cluster.soak.probes import wait_until_well
from tests.cluster.soak.strikes import Strike
from tests.live.restartable import Worker

RECOVERY_SECONDS: Final = 30.0
_OF_THE_START: Final = (
    *("Starting server at", "HTTP/2 support not enabled", "Configuring endpoint"),
    *("Listening on TCP", "pending application instances"),
)


@dataclass
class Struck:
    """What was seen of a fault.

    Attributes:
        fault: What broke.
        began: When, by the monotonic clock.
        mended: When it was mended.
        ended: When the last call was looked at.
        recovery: Seconds from mending until all worked.
        lines: What the worker that wrote most wrote of it.
        log: All that workers wrote, also before: of a fault that lasts or comes again
            they write once a minute.
        broken: What is wrong, in words.
        calls: Those that began meanwhile.
    """

    fault: Fault
    began: float = field(default_factory=time.monotonic)
    mended: float = 0.0
    ended: float = 0.0
    recovery: float = 0.0
    lines: Sequence[str] = ()
    log: Sequence[str] = ()
    broken: list[str] = field(default_factory=list)
    calls: Sequence[Call] = ()

    def compare(self) -> list[str]:
        """Say what of the promise was not kept, in words."""
        wrong = list(self.broken)
        for call in self.calls:
            sign = sign_of(call)
            if sign and sign not in self.fault.signs:
                wrong.append(f"{call.way} sees {sign}: {call.detail}")
            if call.seconds > self.fault.within:
                wrong.append(f"{call.way} took {call.seconds:.1f} s")
        if len(self.lines) > FEW_LINES:
            wrong.append(f"{len(self.lines)} lines, such as {self.lines[:12]}")
        pattern = self.fault.logged
        if pattern and not any(re.search(pattern, line) for line in self.log):
            wrong.append(f"the log does not say {pattern!r}: {self.lines}")
        return wrong


async def strike(
    cluster: Cluster,
    ledger: Ledger,
    fault: Fault,
    worker: Worker,
    *,
    seconds: float,
    calm_seconds: float,
) -> Struck:
    """Break something, mend it, and wait until all works.

    Args:
        cluster: What is broken.
        ledger: Of the clients that go on meanwhile.
        fault: What breaks.
        worker: At which, where it is at one.
        seconds: For how long.
        calm_seconds: How long to look on, when all works again.
    """
    mark, struck = cluster.mark_logs(), Struck(fault)
    await _do(fault.strike, struck, cluster, worker)
    await anyio.sleep(seconds)
    if fault.mend is not None:
        await _do(fault.mend, struck, cluster, worker)
    await run_sync(cluster.mend)
    struck.mended = time.monotonic()
    user = cluster.users["gus"]
    is_well, last = await wait_until_well(cluster, user, RECOVERY_SECONDS)
    struck.recovery = time.monotonic() - struck.mended
    if not is_well:
        struck.broken.append(f"afterwards {last}")
    await anyio.sleep(calm_seconds)
    struck.ended = time.monotonic()
    struck.calls = ledger.between(struck.began, struck.ended)
    struck.log = [line for each in cluster.workers for line in each.log_lines()]
    struck.lines = max((_lines(mark, each) for each in cluster.workers), key=len)
    return struck


async def _do(strike: Strike, struck: Struck, cluster: Cluster, worker: Worker) -> None:
    try:
        await run_sync(strike, cluster, worker)
    except Exception as error:  # such as a worker that does not end
        struck.broken.append(repr(error))


def _lines(mark: LogMark, worker: Worker) -> Sequence[str]:
    return [
        line
        for line in records_of(mark.new_lines(worker))
        if not any(text in line for text in _OF_THE_START)
    ]
