"""Clocks that jump by an hour, of one worker or of all, while clients go on."""

from __future__ import annotations

import pytest

from tests.cluster import mcp
from tests.cluster.calls import call, new_key
from tests.cluster.clocks import require_compiler
from tests.cluster.cluster import Cluster
from tests.cluster.soak.probes import find_broken
from tests.live.raw import open_http, open_stream
from tests.live.raw_http import ModernClient, open_session

pytestmark = pytest.mark.live

HOUR = 3600.0


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
@pytest.mark.parametrize("are_all", [False, True])
async def test_all_goes_on_though_clocks_jump(
    cluster: Cluster, ahead: float, are_all: bool
) -> None:
    """We promise it: what was opened before stays, what is opened then works at every
    worker and from one to the other, and both once more when clocks are set right."""
    require_compiler()
    user = cluster.users["ann"]
    clocks = list(cluster.clocks.values())
    worker, other = cluster.workers
    async with (
        open_http(user.with_token) as http,
        open_stream(http, worker.url, post_to=other.url) as stream,
        ModernClient(http).listen(
            worker.url, resourceSubscriptions=[mcp.BOARD]
        ) as listening,
    ):
        await stream.initialize()
        session = await open_session(http, worker.url)
        for id, seconds in enumerate((ahead, 0.0), start=1):
            for clock in clocks if are_all else clocks[:1]:
                clock.set(seconds)
            for each in (worker, other):
                await call(session, each, "run")
            await call(http, other, "touch")
            await listening.receive()
            await stream.call(id, "run", key=new_key())
            assert "error" not in await stream.receive_answer(id)
            if seconds:
                assert await find_broken(cluster, user) == ""
    said = [line for line in worker.log_lines() if "the clock of" in line]
    assert bool(said) or are_all
