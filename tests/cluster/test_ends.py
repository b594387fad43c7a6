"""What becomes of calls when their worker ends, or their handlers never do."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from mcp_django.conf import MCPSettings
from tests.cluster import mcp
from tests.cluster.calls import call, new_key
from tests.cluster.cluster import Cluster
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import ModernClient, Session, open_session
from tests.live.restartable import Worker
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

HANGING = 20
"""More handlers than one user has threads."""


async def test_resumed_call_of_a_killed_worker_ends_with_an_error(
    cluster: Cluster,
) -> None:
    """We promise it: nobody waits for an answer that cannot come any more, whether the
    call was resumed before the worker was killed, or later."""
    one, other = cluster.workers
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, one.url)
        before = await _begin_to_wait(session, one, "before")
        later = await _begin_to_wait(session, one, "later")
        async with session.get(other.url, last_event_id=before) as first:
            await first.receive()
            one.kill()
            async with session.get(other.url, last_event_id=later) as second:
                with anyio.fail_after(20):
                    *_, of_first = await first.receive_all()
                    *_, of_second = await second.receive_all()
    assert (of_first["id"], of_second["id"]) == ("before", "later")
    assert "error" in of_first
    assert "error" in of_second


async def _begin_to_wait(session: Session, worker: Worker, id: str) -> str:
    """Begin a call, lose its stream, and give the id of the last event."""
    async with session.open_call(
        worker.url, "wait", id=id, with_progress=True, key=new_key(), seconds=300
    ) as answer:
        await answer.receive()
    return answer.last_event_id


async def test_handlers_that_hang_starve_nobody_else(cluster: Cluster) -> None:
    """We promise it: neither other users, nor the end of the process."""
    worker, _ = cluster.workers
    keys = {new_key() for _ in range(HANGING)}
    held = MCPSettings.SYNC_WORKERS // 2

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
