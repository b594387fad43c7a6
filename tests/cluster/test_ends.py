"""What becomes of calls when their worker ends, or their handlers never do."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster import mcp
from tests.cluster.calls import call, new_key
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

HANGING = 20
"""More handlers than there are threads."""


async def test_handlers_that_hang_starve_nobody_else(cluster: Cluster) -> None:
    """We promise it: neither other users, nor the end of the process."""
    worker, _ = cluster.workers

    async def hang() -> None:
        async with ModernClient(ann).open_call(worker.url, "hang", key=new_key()):
            pass

    async with (
        open_http(cluster.users["ann"].with_token) as ann,
        open_http(cluster.users["bob"].with_token) as bob,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(HANGING):
            tasks.start_soon(hang)
        client = ModernClient(bob)
        with anyio.fail_after(2 * SOON_SECONDS):
            for tool in ("run_in_thread", "count_users", "count_users_permitted"):
                assert (await call(bob, worker, tool))["user"] == "bob"
            assert (await client.ask(worker.url, "tools/list"))["tools"]
            read = await client.ask(worker.url, "resources/read", {"uri": mcp.BOARD})
            assert read["contents"][0]["text"] == "Nothing new."
        tasks.cancel_scope.cancel()
    worker.process.terminate()
    assert await run_sync(worker.process.wait, 15) == 0
    assert [line for line in worker.log_lines() if "hang" in line]
