"""Calls to the workers of the cluster, each with a key of its own."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from typing import Any

import anyio
import httpx2

from tests.cluster.cluster import LogMark
from tests.live.raw_http import Client, Message, ModernClient
from tests.live.restartable import Worker

FEW_LINES = 10
"""Most that a worker may write of one fault: what can be counted on two hands."""

_RECORD = re.compile(r"20\d\d-\d\d-\d\d ")
_MOST_IN_ONE = 2
"""Tracebacks of one exception: its own, and that of its cause."""

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


def records_of(lines: Sequence[str]) -> Sequence[str]:
    """Give the lines that begin a record; those of its traceback belong to it."""
    return [line for line in lines if _RECORD.match(line)]


def assert_few_lines(mark: LogMark, worker: Worker, *names: str) -> None:
    """Assert that a worker wrote little of a fault, and named what failed.

    One traceback may be among it, where handlers of the site failed.
    """
    lines = mark.new_lines(worker)
    records = records_of(lines)
    assert len(records) <= FEW_LINES, f"{len(records)} records, such as {records[:40]}"
    begins = [line for line in lines if line.startswith("Traceback")]
    assert len(begins) <= _MOST_IN_ONE, lines
    for name in names:
        # It may have been said of a fault less than a minute ago.
        assert [line for line in worker.log_lines() if name in line], records
