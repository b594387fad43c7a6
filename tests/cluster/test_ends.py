"""What becomes of calls when their worker ends, or their handlers never do."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from mcp_django.conf import DEFAULTS
from tests.cluster import mcp
from tests.cluster.calls import call, new_key
from tests.cluster.cluster import Cluster
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import ModernClient, open_session
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

HANGING = 20
"""More handlers than one user has threads."""


@pytest.mark.parametrize("is_resumed_before", [True, False])
async def test_resumed_call_of_a_killed_worker_ends_with_an_error(
    cluster: Cluster, is_resumed_before: bool
) -> None:
    """We promise it: nobody waits for an answer that cannot come any more."""
    one, other = cluster.workers
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, one.url)
        async with session.open_call(
            one.url, "wait", id="lost", with_progress=True, key=new_key(), seconds=300
        ) as answer:
            await answer.receive()
        if not is_resumed_before:
            one.kill()
        async with session.get(
            other.url, last_event_id=answer.last_event_id
        ) as resumed:
            if is_resumed_before:
                await resumed.receive()
                one.kill()
            with anyio.fail_after(20):
                *_, last = await resumed.receive_all()
        assert last["id"] == "lost"
        assert "error" in last


async def test_handlers_that_hang_starve_nobody_else(cluster: Cluster) -> None:
    """We promise it: neither other users, nor the end of the process."""
    worker, _ = cluster.workers
    keys = {new_key() for _ in range(HANGING)}
    held = DEFAULTS["SYNC_WORKERS"] // 2

    async def hang(key: str) -> None:
        async with ModernClient(ann).open_call(worker.url, "hang", key=key):
            pass

    async with (
        open_http(cluster.users["ann"].with_token) as ann,
        open_http(cluster.users["bob"].with_token) as bob,
        anyio.create_task_group() as tasks,
    ):
        for key in keys:
            tasks.start_soon(hang, key)
        with anyio.fail_after(BOUND):
            while len(keys & cluster.ran().keys()) < held:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        client = ModernClient(bob)
        with anyio.fail_after(2 * SOON_SECONDS):
            for tool in ("run_in_thread", "count_users", "count_users_permitted"):
                assert (await call(bob, worker, tool))["user"] == "bob"
            assert (await client.ask(worker.url, "tools/list"))["tools"]
            read = await client.ask(worker.url, "resources/read", {"uri": mcp.BOARD})
            assert read["contents"][0]["text"] == "Nothing new."
        tasks.cancel_scope.cancel()
    worker.process.terminate()
    assert await run_sync(worker.process.wait, BOUND) == 0
    assert [line for line in worker.log_lines() if "'hang'" in line]
