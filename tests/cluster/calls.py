"""Calls to the workers of the cluster, each with a key of its own."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import httpx2

from tests.cluster.cluster import Cluster, Worker
from tests.live.raw_http import Message, ModernClient

_numbers = itertools.count(1)


def new_key() -> str:
    """Make the key of a call."""
    return f"key{next(_numbers)}"


async def call(
    http: httpx2.AsyncClient, worker: Worker, tool: str, /, **arguments: Any
) -> Message:
    """Call a tool, and give what it returned.

    Raises:
        AssertionError: There is no result, or it is an error or of another call.
    """
    key = new_key()
    result = await ModernClient(http).call(worker.url, tool, key=key, **arguments)
    assert not result.get("isError"), result
    ran: Message = result["structuredContent"]
    assert ran["key"] == key
    assert ran["pid"] == worker.pid
    return ran


async def wait_until_answered(
    http: httpx2.AsyncClient, worker: Worker, tool: str, /, **arguments: Any
) -> None:
    """Call a tool again and again until there is a result."""
    while True:
        try:
            await call(http, worker, tool, **arguments)
        except (AssertionError, httpx2.TransportError):
            await anyio.sleep(0.05)
        else:
            return


def assert_ran_once(cluster: Cluster) -> None:
    """Assert that no call was run twice."""
    assert {key: users for key, users in cluster.ran().items() if len(users) > 1} == {}
