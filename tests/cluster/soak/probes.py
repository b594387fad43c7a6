"""Whether all works again: every worker, each way, and from one to the next."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import anyio
import httpx2

from tests.cluster import mcp
from tests.cluster.calls import call
from tests.cluster.cluster import Cluster, User
from tests.cluster.soak.traffic import LOST
from tests.live.raw import open_http, open_stream
from tests.live.raw_http import ModernClient, open_session
from tests.live.restartable import Worker

_TRY_SECONDS = 10.0


async def wait_until_well(
    cluster: Cluster, user: User, seconds: float
) -> tuple[bool, str]:
    """Probe until all works, or for so long.

    Returns:
        Whether all does, and what was seen last that did not.
    """
    end, last = time.monotonic() + seconds, ""
    while broken := await find_broken(cluster, user):
        last = broken
        if time.monotonic() > end:
            break
        await anyio.sleep(0.1)
    return not broken, last


async def find_broken(cluster: Cluster, user: User) -> str:
    """Try everything once, and say what does not work; "" if all does."""
    async with open_http(user.with_token) as http:
        first, *rest = cluster.workers
        for worker, other in pairwise([first, *rest, first]):
            for name, probe in _PROBES.items():
                try:
                    with anyio.fail_after(_TRY_SECONDS):
                        await probe(http, worker, other)
                except (*LOST, AssertionError, TimeoutError) as error:
                    return f"{name} at {worker.name} with {other.name}: {error!r}"
    return ""


async def _call(http: httpx2.AsyncClient, worker: Worker, other: Worker) -> None:
    for tool in ("run", "count_users", "count_users_in_thread", "save_user"):
        arguments = {"email": "well@example.com"} if tool == "save_user" else {}
        await call(http, worker, tool, **arguments)


async def _share_a_session(
    http: httpx2.AsyncClient, worker: Worker, other: Worker
) -> None:
    session = await open_session(http, worker.url)
    await call(session, other, "run")
    await session.delete(worker.url)
    # It may look that up, should it not have been told.
    while await session.status(other.url) != 404:
        pass


async def _tell_of_a_change(
    http: httpx2.AsyncClient, worker: Worker, other: Worker
) -> None:
    client = ModernClient(http)
    async with client.listen(worker.url, resourceSubscriptions=[mcp.BOARD]) as stream:
        await call(http, other, "touch")
        await stream.receive()


async def _post_elsewhere(
    http: httpx2.AsyncClient, worker: Worker, other: Worker
) -> None:
    async with open_stream(http, worker.url) as stream:
        path = stream.endpoint.removeprefix(worker.url)
        stream.endpoint = other.url + path
        await stream.initialize()


_PROBES: dict[str, Callable[[httpx2.AsyncClient, Worker, Worker], Awaitable[None]]] = {
    "calls": _call,
    "a session": _share_a_session,
    "a change": _tell_of_a_change,
    "HTTP+SSE": _post_elsewhere,
}
