"""What becomes of streams and notices when Redis stops, forgets or is full."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import kept_alive, new_key
from tests.cluster.cluster import Cluster
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient, open_session
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live


async def test_upkeep_goes_on_while_redis_stands_still(cluster: Cluster) -> None:
    """We promise it: keep-alives, and the end of who may no longer listen."""
    worker, _ = cluster.workers
    listening: dict[str, bool] = {"toolsListChanged": True}
    async with (
        open_http(cluster.users["ann"].with_token) as ann,
        open_http(cluster.users["bob"].with_token) as bob,
        ModernClient(ann).listen(worker.url, **listening) as stays,
        ModernClient(bob).listen(worker.url, **listening) as goes,
    ):
        session = await open_session(ann, worker.url)
        async with session.open_call(
            worker.url, "wait", with_progress=True, key=new_key(), seconds=6
        ) as running:
            await running.receive()
            await run_sync(cluster.redis.freeze)
            async with kept_alive(stays, seconds=4):
                await run_sync(cluster.postgres.ask, _revoke("bob", "now()"))
                with anyio.fail_after(SOON_SECONDS):
                    await goes.receive_all()
            await run_sync(cluster.redis.thaw)
            await run_sync(cluster.postgres.ask, _revoke("bob", "NULL"))


def _revoke(user: str, when: str) -> str:
    return (
        f"UPDATE mcp_tokens_token SET revoked_at = {when} FROM auth_user "
        f"WHERE user_id = auth_user.id AND username = '{user}'"
    )
