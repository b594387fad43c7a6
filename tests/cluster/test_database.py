"""What becomes of calls when the database ends connections, stops or is read-only."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import call, wait_until_answered
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

QUERIES = ["count_users_in_thread"]


@pytest.mark.parametrize("tool", QUERIES)
async def test_queries_go_on_when_their_connections_were_ended(
    cluster: Cluster, tool: str
) -> None:
    """We promise it: after a restart of the database, too, whoever asks it."""
    async with open_http(cluster.users["ann"].with_token) as http:
        for worker in cluster.workers:
            assert (await call(http, worker, tool))["found"] == len(cluster.users)
        await run_sync(cluster.postgres.end_connections)
        for worker in cluster.workers:
            # What was open may be noticed by the one call that still used it.
            with anyio.fail_after(SOON_SECONDS):
                await wait_until_answered(http, worker, tool)
            for _ in range(3):
                assert (await call(http, worker, tool))["found"] == len(cluster.users)
