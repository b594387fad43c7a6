"""Calls to the workers of the cluster, each with a key of its own."""

from __future__ import annotations

import itertools
import os
from typing import Any

import anyio
import httpx2

from tests.cluster.cluster import LogMark, Worker
from tests.live.raw_http import Client, Message, ModernClient

FEW_LINES = 10
"""Most that a worker may write of one fault: what can be counted on two hands."""

_numbers = itertools.count(1)


def new_key() -> str:
    """Make the key of a call."""
    return f"{os.getpid()}-{next(_numbers)}"


async def call(
    client: httpx2.AsyncClient | Client, worker: Worker, tool: str, /, **arguments: Any
) -> Message:
    """Call a tool, and give what it returned.

    Raises:
        AssertionError: There is no result, or it is an error or of another call.
    """
    if isinstance(client, httpx2.AsyncClient):
        client = ModernClient(client)
    key = new_key()
    result = await client.call(worker.url, tool, key=key, **arguments)
    assert not result.get("isError"), result
    ran: Message = result["structuredContent"]
    assert ran["key"] == key
    assert ran["pid"] == worker.pid
    return ran


async def wait_until_answered(
    client: httpx2.AsyncClient | Client, worker: Worker, tool: str, /, **arguments: Any
) -> None:
    """Call a tool again and again until there is a result."""
    while True:
        try:
            await call(client, worker, tool, **arguments)
        except (AssertionError, httpx2.TransportError):
            await anyio.sleep(0.05)
        else:
            return


def assert_few_lines(mark: LogMark, worker: Worker, *names: str) -> None:
    """Assert that a worker wrote little, without tracebacks, and named what failed."""
    lines = mark.new_lines(worker)
    assert len(lines) <= FEW_LINES, f"{len(lines)} lines, such as {lines[:40]}"
    assert not [line for line in lines if line.startswith("Traceback")], lines
    for name in names:
        assert [line for line in lines if name in line], lines
