"""Run the benchmarks: `make bench`, or `python -m benchmarks --seconds 5`.

Server and load run on a core each where there are two. Runs of our server and of the
raw application alternate; the median of their shares counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.engine import measure_engine
from benchmarks.load import Client, HTTPClient, SSEClient, measure, open_sse
from tests.live.daphne import running_daphne

IDLE_SESSIONS = 1000

# What, how to connect, our path and the raw one, clients, and the share we want.
_COMPARISONS = (
    ("SSE round trips", open_sse, "/mcp/sse", "/raw/sse", 50, 0.80),
    (
        "2026-07-28 calls",
        partial(HTTPClient.connect, era="modern"),
        "/mcp",
        "/raw",
        32,
        0.85,
    ),
    (
        "2025-11-25 calls",
        partial(HTTPClient.connect, era="legacy"),
        "/mcp",
        "/raw",
        32,
        0.80,
    ),
)


def main() -> None:
    """Measure, and print a line for each figure beside what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind")
    options = parser.parse_args()
    _show("engine, one call of add in process", measure_engine(), "us", "at most 60")
    with _server() as (_, port):
        _pin(os.getpid(), 1)
        for what, connect, ours, raw, clients, goal in _COMPARISONS:
            ratio = _compare(
                partial(connect, port),
                ours=ours,
                raw=raw,
                clients=clients,
                seconds=options.seconds,
                rounds=options.rounds,
            )
            _show(f"{what}, {clients} clients", ratio, "of raw", f"at least {goal}")
    with _server() as (pid, port):
        size = asyncio.run(_measure_idle(pid, port))
        _show(f"idle session, of {IDLE_SESSIONS}", size, "KiB", "at most 24")


def _show(what: str, value: float, unit: str, goal: str) -> None:
    sys.stdout.write(f"{what:<40} {value:8.2f} {unit:<7} ({goal})\n")
    sys.stdout.flush()


def _compare(
    connect: Callable[[str], Awaitable[Client]],
    *,
    ours: str,
    raw: str,
    clients: int,
    seconds: float,
    rounds: int,
) -> float:
    """Give our speed as a share of the raw application's: the median of the rounds.

    Within a round the two runs follow each other, because machines change their speed.
    """
    shares = []
    for _ in range(rounds):
        raw_speed, our_speed = (
            asyncio.run(
                measure(partial(connect, path), clients=clients, seconds=seconds)
            )
            for path in (raw, ours)
        )
        sys.stdout.write(f"  raw {raw_speed:.0f}/s, ours {our_speed:.0f}/s\n")
        shares.append(our_speed / raw_speed)
    return statistics.median(shares)


async def _measure_idle(pid: int, port: int) -> float:
    """Give the memory that one more open and initialized session takes, in KiB."""
    warm = [await _open(port) for _ in range(50)]
    before = _resident_kib(pid)
    idle = [await _open(port) for _ in range(IDLE_SESSIONS)]
    after = _resident_kib(pid)
    for client in warm + idle:
        client.close()
    return (after - before) / IDLE_SESSIONS


async def _open(port: int) -> SSEClient:
    client = await SSEClient.connect(port, "/mcp/sse")
    await client.initialize()
    # The posting connection of an idle client is closed; the stream stays.
    client.posts.close()
    await client.posts.wait_closed()
    return client


@contextmanager
def _server() -> Iterator[tuple[int, int]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_daphne(Path(folder), application="benchmarks.asgi:application") as it,
    ):
        _pin(it.pid, 0)
        yield it.pid, int(it.url.rpartition(":")[2])


def _pin(pid: int, core: int) -> None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > core:
        os.sched_setaffinity(pid, {cores[core]})


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


if __name__ == "__main__":
    main()
