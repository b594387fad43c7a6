"""Open streams and their users, while what others need does not answer."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient, open_session

pytestmark = pytest.mark.live

KEEP_ALIVE_SECONDS = 2.5
"""In the settings it is one; looked at once a second."""

END_SECONDS = 8.0
"""For a recheck, every two seconds, and what it may wait for before."""


async def test_redis_that_hangs_holds_up_no_keep_alive_and_no_recheck(
    cluster: Cluster,
) -> None:
    """We promise it: also while a call of a session runs, whose events are kept."""
    [worker, _] = cluster.workers
    fay, gus = cluster.users["fay"], cluster.users["gus"]
    async with open_http(fay.with_token) as fays, open_http(gus.with_token) as guss:
        session = await open_session(fays, worker.url)
        call = session.open_call(
            worker.url, "wait", key="long", seconds=8, with_progress=True
        )
        listening = ModernClient(guss).listen(worker.url, toolsListChanged=True)
        async with call as running, listening as stream:
            await running.receive()
            await run_sync(cluster.redis.freeze)
            try:
                for _ in range(4):
                    with anyio.fail_after(KEEP_ALIVE_SECONDS):
                        await stream.wait_until_open()
                await run_sync(cluster.postgres.ask, _revoke("gus"))
                with anyio.fail_after(END_SECONDS):
                    await stream.receive_all()
            finally:
                await run_sync(cluster.redis.thaw)
                await run_sync(cluster.postgres.ask, _restore("gus"))


async def test_handler_that_cancels_everything_ends_no_upkeep(
    cluster: Cluster,
) -> None:
    """We promise it: what it cancelled of others is gone, and the rest goes on."""
    [worker, _] = cluster.workers
    async with open_http(cluster.users["hal"].with_token) as http:
        client = ModernClient(http)
        with anyio.move_on_after(5):
            await client.call(worker.url, "cancel_everything", key="all")
    async with open_http(cluster.users["hal"].with_token) as http:
        listening = ModernClient(http).listen(worker.url, toolsListChanged=True)
        async with listening as stream:
            for _ in range(3):
                with anyio.fail_after(2 * KEEP_ALIVE_SECONDS):
                    await stream.wait_until_open()
    said = [line for line in worker.log_lines() if "and starts again" in line]
    assert len(said) == 1


def _revoke(username: str) -> str:
    return _set_revoked(username, "now()")


def _restore(username: str) -> str:
    return _set_revoked(username, "NULL")


def _set_revoked(username: str, value: str) -> str:
    users = f"SELECT id FROM auth_user WHERE username = '{username}'"
    return (
        f"UPDATE mcp_tokens_token SET revoked_at = {value} WHERE user_id IN ({users})"
    )
