"""What becomes of streams and notices when Redis stops, forgets or is full."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster import mcp
from tests.cluster.calls import assert_few_lines, call, new_key
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import Answer, Client, ModernClient, open_session
from tests.live.restartable import Worker
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live


async def test_notices_go_on_after_redis_forgot_everything(cluster: Cluster) -> None:
    """We promise it: a worker looks now and then whether others still reach it."""
    one, other = cluster.workers
    async with (
        open_http(cluster.users["ann"].with_token) as http,
        ModernClient(http).listen(
            one.url, resourceSubscriptions=[mcp.BOARD]
        ) as listening,
    ):
        await touch_until_heard(ModernClient(http), other, listening)
        await run_sync(cluster.redis.forget)
        with anyio.fail_after(2 * SOON_SECONDS):
            await touch_until_heard(ModernClient(http), other, listening)


async def test_redis_that_is_away_is_a_few_lines_of_log(cluster: Cluster) -> None:
    """We promise it: calls are answered meanwhile, and say nothing each."""
    mark = cluster.mark_logs()
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, cluster.workers[0].url)

        async def wait(worker: Worker) -> None:
            async with session.open_call(
                worker.url, "wait", with_progress=True, key=new_key(), seconds=1
            ) as answer:
                await answer.receive_result()

        clients: list[Client] = [session, ModernClient(http)]
        async with ModernClient(http).listen(
            cluster.workers[0].url, resourceSubscriptions=[mcp.BOARD]
        ):
            await run_sync(cluster.redis.stop)
            async with anyio.create_task_group() as tasks:
                for worker in cluster.workers:
                    for client in clients:
                        for tool in ("run", "touch") * 5:
                            tasks.start_soon(call, client, worker, tool)
                    for _ in range(5):
                        tasks.start_soon(wait, worker)
            await run_sync(cluster.redis.start)
            for worker in cluster.workers:
                await call(session, worker, "run")
    for worker in cluster.workers:
        assert_few_lines(mark, worker)


async def test_cancellation_arrives_amid_a_flood_of_notices(cluster: Cluster) -> None:
    """We promise it: a layer that is full loses changes, and says so to who cancels."""
    one, other = cluster.workers
    async with open_http(cluster.users["ann"].with_token) as http:
        session = await open_session(http, one.url)
        ended = anyio.Event()
        key = new_key()

        async def wait() -> None:
            async with session.open_call(
                one.url, "wait", id=key, with_progress=True, key=key, seconds=60
            ) as answer:
                begun.set()
                await answer.receive_all()
            ended.set()

        async def touch() -> None:
            for _ in range(20):
                await call(http, other, "touch")

        begun = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await begun.wait()
            async with anyio.create_task_group() as flood:
                for _ in range(20):
                    flood.start_soon(touch)
                one.freeze()
                await anyio.sleep(1)
                status = await session.cancel(other.url, key)
                one.thaw()
            if status != 202:
                assert status == 503
                assert await session.cancel(other.url, key) == 202
            with anyio.fail_after(SOON_SECONDS):
                await ended.wait()
    assert key not in cluster.ran()


async def touch_until_heard(client: Client, worker: Worker, stream: Answer) -> None:
    """Change the board again and again until a stream tells of it."""

    async def touch() -> None:
        while True:
            await call(client, worker, "touch")
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(touch)
        message = await stream.receive()
        assert message["method"] == "notifications/resources/updated"
        assert message["params"]["uri"] == mcp.BOARD
        tasks.cancel_scope.cancel()
