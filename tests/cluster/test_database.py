"""What becomes of calls when the database ends connections, stops or is read-only."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import (
    assert_few_lines,
    call,
    kept_alive,
    refuse_together,
    wait_until_answered,
)
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

QUERIES = ["count_users", "count_users_permitted", "count_users_in_thread"]


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


async def test_database_that_is_away_is_503_and_a_few_lines_of_log(
    cluster: Cluster,
) -> None:
    """We promise it: many refusals, and what can be read of them at a glance."""
    mark = cluster.mark_logs()
    async with open_http(cluster.users["ann"].with_token) as http:
        await run_sync(cluster.postgres.kill)
        for worker in cluster.workers:
            answers = await refuse_together(http, worker, "run", count=50)
            assert answers == [(503, True)] * 50
        await run_sync(cluster.postgres.start)
        for worker in cluster.workers:
            with anyio.fail_after(SOON_SECONDS):
                await wait_until_answered(http, worker, "count_users_in_thread")
    for worker in cluster.workers:
        assert_few_lines(mark, worker, "database")


async def test_database_that_stands_still_holds_up_only_who_needs_it(
    cluster: Cluster,
) -> None:
    """We promise it: open streams are kept alive, and requests are refused in time."""
    worker, _ = cluster.workers
    async with open_http(cluster.users["ann"].with_token) as http:
        async with ModernClient(http).listen(
            worker.url, toolsListChanged=True
        ) as stream:
            await run_sync(cluster.postgres.freeze)
            async with kept_alive(stream, seconds=4):
                with anyio.fail_after(15):
                    answers = await refuse_together(http, worker, "run", count=10)
                assert answers == [(503, True)] * 10
            await run_sync(cluster.postgres.thaw)
        with anyio.fail_after(15):
            await wait_until_answered(http, worker, "count_users_in_thread")


async def test_database_that_takes_no_writes_answers_what_reads(
    cluster: Cluster,
) -> None:
    """We promise it: that a token was used is noted where it can be."""
    await run_sync(
        cluster.postgres.ask, "UPDATE mcp_tokens_token SET last_used_at = NULL"
    )
    mark = cluster.mark_logs()
    await run_sync(cluster.postgres.take_writes, False)
    for user in cluster.users.values():
        async with open_http(user.with_token) as http:
            for worker in cluster.workers:
                for tool in QUERIES:
                    assert (await call(http, worker, tool))["user"] == user.name
    for worker in cluster.workers:
        assert_few_lines(mark, worker)
