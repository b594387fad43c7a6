"""What becomes of calls when the database ends connections, stops or is read-only."""

from __future__ import annotations

import json
import sys

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import (
    assert_few_lines,
    call,
    wait_until_answered,
)
from tests.cluster.cluster import Cluster
from tests.live import processes
from tests.live.raw import INITIALIZE, open_http
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS

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


async def test_queries_leave_no_connection_open(cluster: Cluster) -> None:
    """We promise it where `CONN_MAX_AGE` is 0, as it is by default."""
    async with open_http(cluster.users["ann"].with_token) as http:
        for worker in cluster.workers:
            for tool in QUERIES:
                await call(http, worker, tool)
    with anyio.fail_after(SOON_SECONDS):
        while await run_sync(cluster.postgres.count_connections):
            pass


async def test_idle_stdio_leaves_no_connection_open(cluster: Cluster) -> None:
    """We promise it: not that either with which the user was found."""
    command = [sys.executable, "manage.py", "mcp_stdio", "--user", "ann"]
    async with await anyio.open_process(
        command,
        cwd=processes.ROOT,
        env=processes.environment(cluster.environment),
        stderr=None,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send(json.dumps(INITIALIZE).encode() + b"\n")
        with anyio.fail_after(PATIENCE_SECONDS):
            await process.stdout.receive()
        with anyio.fail_after(SOON_SECONDS):
            while await run_sync(cluster.postgres.count_connections):
                pass
        await process.stdin.aclose()
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await process.wait() == 0


async def test_database_that_takes_no_writes_answers_what_reads(
    cluster: Cluster,
) -> None:
    """We promise it: that a token was used is noted where it can be, and decides
    nothing."""
    await run_sync(
        cluster.postgres.ask, "UPDATE mcp_tokens_token SET last_used_at = NULL"
    )
    mark = cluster.mark_logs()
    await run_sync(cluster.postgres.take_writes, False)
    ann = cluster.users["ann"]
    for headers in (ann.with_token, ann.with_cookie):
        async with open_http(headers) as http:
            for worker in cluster.workers:
                for tool in QUERIES:
                    assert (await call(http, worker, tool))["user"] == ann.name
                for _ in range(3):
                    with pytest.raises(AssertionError, match="Internal error"):
                        await call(http, worker, "save_user", email="new@example.com")
    for worker in cluster.workers:
        assert_few_lines(mark, worker)
