"""Who comes in, and who stays, when what authenticators ask is away."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import httpx2
import psycopg
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import wait_until_answered
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient
from tests.live.restartable import Worker
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

AUTHENTICATION_TIMEOUT = 5.0
SOON = 3.0


async def refusals(
    http: httpx2.AsyncClient, worker: Worker, number: int
) -> Sequence[httpx2.Response]:
    """Call a tool so many times, twenty at once, and give the responses."""
    responses: list[httpx2.Response] = []
    at_once = anyio.CapacityLimiter(20)

    async def ask(client: ModernClient) -> None:
        async with at_once:
            arguments = {"name": "run", "arguments": {"key": "refused"}}
            async with client.open(worker.url, "tools/call", arguments) as answer:
                await answer.response.aread()
                responses.append(answer.response)

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(ask, ModernClient(http))
    return responses


async def test_database_that_is_gone_is_503_and_few_lines(cluster: Cluster) -> None:
    """We promise it: it was 16,234 lines for 130 refusals, and 500."""
    [worker, _] = cluster.workers
    ann = cluster.users["ann"]
    async with open_http(ann.with_token) as program, open_http(ann.with_cookie) as page:
        before = len(worker.log_lines())
        await run_sync(cluster.postgres.kill)
        for http in (program, page):
            for response in await refusals(http, worker, 100):
                assert response.status_code == 503
                assert int(response.headers["retry-after"]) > 0
                assert "database does not answer" in response.text
        await run_sync(cluster.mend)
        with anyio.fail_after(PATIENCE_SECONDS):
            await wait_until_answered(program, worker, "run")
        lines = worker.log_lines()[before:]
        assert len(lines) < 10, lines
        assert not any("Traceback" in line for line in lines)


async def test_database_that_hangs_holds_up_nobody_for_long(cluster: Cluster) -> None:
    """We promise it: the first wait, then all are refused at once, and streams of
    others have their keep-alives in time; the log names the database, and nobody who
    waits for it."""
    [worker, _] = cluster.workers
    before = len(worker.log_lines())
    async with open_http(cluster.users["bob"].with_token) as http:
        listening = ModernClient(http).listen(worker.url, toolsListChanged=True)
        async with listening as stream:
            await run_sync(cluster.postgres.freeze)
            try:
                began = time.monotonic()
                responses = await refusals(http, worker, 20)
                assert time.monotonic() - began < AUTHENTICATION_TIMEOUT + 2
                assert {r.status_code for r in responses} == {503}
                began = time.monotonic()
                for response in await refusals(http, worker, 100):
                    assert response.status_code == 503
                assert time.monotonic() - began < 2
                said = "the database 'default' does not answer"
                assert any(said in line for line in worker.log_lines())
                for _ in range(5):
                    with anyio.fail_after(2.5):
                        await stream.wait_until_open()
            finally:
                await run_sync(cluster.postgres.thaw)
            with anyio.fail_after(PATIENCE_SECONDS):
                await wait_until_answered(http, worker, "run")
            with anyio.fail_after(2.5):
                await stream.wait_until_open()
    lines = worker.log_lines()[before:]
    assert not [x for x in lines if "does not answer" in x and said not in x]


async def test_write_that_hangs_keeps_others_from_nothing(cluster: Cluster) -> None:
    """We promise it: a table that takes no writes for a while holds up one request."""
    [worker, _] = cluster.workers
    dot, eve = cluster.users["dot"], cluster.users["eve"]
    lock = "LOCK TABLE mcp_tokens_token IN EXCLUSIVE MODE"  # which others may read
    async with (
        _holding(cluster, lock),
        open_http(dot.with_token) as dots,
        open_http(eve.with_token) as eves,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(refusals, dots, worker, 1)
        await run_sync(_wait_until_one_waits, cluster)
        for _ in range(10):
            with anyio.fail_after(SOON):
                await wait_until_answered(eves, worker, "run")
        tasks.cancel_scope.cancel()


async def test_token_that_somebody_edits_can_be_used(cluster: Cluster) -> None:
    """We promise it: that its use is recorded keeps nobody out."""
    [worker, _] = cluster.workers
    async with (
        _holding(cluster, "SELECT * FROM mcp_tokens_token FOR UPDATE"),
        open_http(cluster.users["eve"].with_token) as http,
    ):
        with anyio.fail_after(SOON):
            await wait_until_answered(http, worker, "run")


@asynccontextmanager
async def _holding(cluster: Cluster, lock: str) -> AsyncIterator[None]:
    """Hold a lock on tokens, whose next use has to be recorded."""

    def take() -> psycopg.Connection:
        connection = psycopg.connect(_address(cluster))
        connection.execute("UPDATE mcp_tokens_token SET last_used_at = NULL")
        connection.commit()
        connection.execute(lock)
        return connection

    connection = await run_sync(take)
    try:
        yield
    finally:
        await run_sync(connection.close)


def _wait_until_one_waits(cluster: Cluster) -> None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    until = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(_address(cluster), autocommit=True) as looking:
        while looking.execute(waiting).fetchone() is None:
            assert time.monotonic() < until


def _address(cluster: Cluster) -> str:
    port = cluster.postgres.port
    return f"host=127.0.0.1 port={port} user=site dbname=postgres"
