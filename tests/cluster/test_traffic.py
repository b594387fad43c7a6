"""Traffic of every kind at once, while services come and go."""

from __future__ import annotations

import itertools
from functools import partial

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.cluster import Cluster
from tests.cluster.soak.clients import KINDS
from tests.cluster.soak.ledger import Ledger
from tests.cluster.soak.traffic import Site
from tests.live.raw import BOUND

pytestmark = pytest.mark.live


async def test_no_call_is_answered_twice_or_to_others_or_without_having_run(
    cluster: Cluster,
) -> None:
    """We promise it: the short form of `make soak`."""
    ledger = Ledger()
    site = Site(cluster, ledger)
    async with anyio.create_task_group() as tasks:
        users = itertools.cycle(cluster.users.values())
        for kind, user in zip(KINDS, users, strict=False):
            tasks.start_soon(site.keep, partial(kind, site, user))
        for strike in (
            cluster.redis.kill,
            cluster.redis.start,
            cluster.postgres.kill,
            cluster.postgres.start,
        ):
            await _wait_until_ended(ledger, 100)
            await run_sync(strike)
        await _wait_until_ended(ledger, 100)
        tasks.cancel_scope.cancel()
    ledger.audit(cluster.ran())
    assert dict(ledger.broken) == {}


async def _wait_until_ended(ledger: Ledger, count: int) -> None:
    """Wait for the ends of so many more calls, whatever they are."""
    wanted = ledger.ended + count
    with anyio.fail_after(BOUND):
        while ledger.ended < wanted:  # noqa: ASYNC110
            await anyio.sleep(0.02)
