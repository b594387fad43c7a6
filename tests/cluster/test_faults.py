"""Faults of docs/explanation/delivery.md, while clients of every kind go on."""

from __future__ import annotations

import itertools
from functools import partial

import anyio
import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.soak.clients import KINDS
from tests.cluster.soak.faults import FAULTS, Fault
from tests.cluster.soak.ledger import Ledger
from tests.cluster.soak.striking import strike
from tests.cluster.soak.traffic import Site

pytestmark = pytest.mark.live

SECONDS = 1.5
"""How long a thing stays broken here; by `make faults` it is for longer."""

PACE = 5.0

TRIED = {
    *("Redis is full", "Redis is slow", "layer is at its capacity"),
    *("PostgreSQL has no connection left", "a handler blocks the event loop"),
    *("clients vanish", "clients do not read", "clients are half-open"),
    "keys are rotated",
}
"""What no other test here or in `tests/live` breaks; `make faults` breaks all."""


@pytest.mark.parametrize(
    "fault",
    [fault for fault in FAULTS if fault.name in TRIED],
    ids=lambda fault: fault.name,
)
async def test_fault_is_seen_as_we_say_and_passes(
    cluster: Cluster, fault: Fault
) -> None:
    """We promise it: each call is answered, or its client sees why not, in time; none
    is answered twice or to another client; all works again by itself."""
    ledger = Ledger()
    site = Site(cluster, ledger, PACE)
    users = itertools.cycle(user for name, user in cluster.users.items() if name < "g")
    async with anyio.create_task_group() as tasks:
        for kind, user in zip(dict.fromkeys(KINDS), users, strict=False):
            tasks.start_soon(site.keep, partial(kind, site, user))
        struck = await strike(
            cluster,
            ledger,
            fault,
            cluster.workers[0],
            seconds=SECONDS,
            calm_seconds=0,
        )
        tasks.cancel_scope.cancel()
    ledger.audit(cluster.ran())
    assert struck.compare() == []
    assert dict(ledger.broken) == {}
    assert any(call.outcome == "answered" for call in struck.calls)
