"""What becomes of calls when the cache hangs, or is slow."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import assert_few_lines, call, new_key
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import open_session
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live


async def test_cache_that_hangs_holds_up_nobody_for_long(cluster: Cluster) -> None:
    """We promise it: sessions are refused or answered in time, all others at once."""
    worker, _ = cluster.workers
    mark = cluster.mark_logs()
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, worker.url)
        cluster.cache.freeze()
        statuses = []

        async def use_session() -> None:
            # Both what a session keeps and the events of its streams are there.
            params = {"level": "debug"}
            async with session.open(worker.url, "logging/setLevel", params) as answer:
                statuses.append(answer.status)
            async with session.open_call(
                worker.url, "wait", with_progress=True, key=new_key(), seconds=0.3
            ) as answer:
                statuses.append(answer.status)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(use_session)
                for tool in ("run", "count_users", "count_users_in_thread"):
                    tasks.start_soon(call, http, worker, tool)
        assert set(statuses) <= {200, 503}
        cluster.cache.mend()
        assert (await call(session, worker, "run"))["user"] == "ann"
    assert_few_lines(mark, worker, "cache")


async def test_slow_cache_slows_no_stream_by_those_of_others(cluster: Cluster) -> None:
    """We promise it: ten calls wait for the cache side by side."""
    worker, _ = cluster.workers
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, worker.url)

        async def stream() -> None:
            async with session.open_call(
                worker.url, "wait", with_progress=True, key=new_key(), seconds=0.5
            ) as answer:
                assert not (await answer.receive_result()).get("isError")

        cluster.cache.delay(0.1)
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(stream)


async def test_worker_ends_while_its_cache_hangs(cluster: Cluster) -> None:
    """We promise it: SIGTERM waits for nothing of others without a bound."""
    worker, _ = cluster.workers
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, worker.url)
        await call(session, worker, "run")
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                async with session.open_call(
                    worker.url, "wait", with_progress=True, key=new_key(), seconds=60
                ) as answer:
                    await answer.receive()
                    cluster.cache.freeze()
                    worker.process.terminate()
                    await answer.receive_all()

            tasks.start_soon(wait)
            assert await run_sync(worker.process.wait, SOON_SECONDS * 2) == 0
            tasks.cancel_scope.cancel()
