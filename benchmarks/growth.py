"""How cost grows, as pictures: with connections, sessions, tools and workers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import machine, sse_trips
from benchmarks.calls import Call
from benchmarks.compare import Options
from benchmarks.http_calls import prepare, sample
from benchmarks.servers import SERVERS, running
from benchmarks.sse_client import Client, Session
from benchmarks.svg import Chart, draw
from tests.live.redis import running_redis

CONNECTIONS = (1, 4, 16, 64, 256, 1000)
SESSIONS = (100, 300, 1000, 3000, 10_000, 20_000)
TOOLS = (10, 100, 1000, 5000)
WORKERS = (1, 2, 3, 4)

_CALL = Call("2026-07-28")
_FILES = 500
"""What a process needs beside the connections of its sessions."""

failures: list[str] = []
"""What could not be measured, and why."""

_Points = list[tuple[float, float]]


def connections(options: Options) -> Mapping[str, Chart]:
    """Say how many calls a second are answered over so many connections."""
    series: dict[str, _Points] = {}
    for name in ("raw", "ours", "ours, mcp_daphne", "ours, uvicorn"):
        with telling(name), running(SERVERS[name], options.folder) as it:
            headers = prepare(it, _CALL)
            take = partial(sample, it, _CALL, headers)
            take(32, 1)
            series[name] = [(n, take(n, options.seconds).value) for n in CONNECTIONS]
    chart = Chart(
        "Throughput against connections", "connections", "calls a second", series
    )
    return {"growth-connections": chart}


def sessions(options: Options) -> Mapping[str, Chart]:
    """Say what an idle session holds, and how long a call takes beside so many."""
    memory: dict[str, _Points] = {}
    latency: dict[str, _Points] = {}
    limit = machine.raise_file_limit() - _FILES
    counts = sorted({min(count, limit) for count in SESSIONS})
    for name in ("ours", "ours, mcp_daphne"):
        with telling(name):
            memory[name], latency[name] = asyncio.run(_idle(name, counts, options))
    return {
        "growth-memory": Chart(
            "Memory of an idle session over HTTP+SSE",
            "idle sessions, initialized",
            "KiB each",
            memory,
        ),
        "growth-sessions": Chart(
            "Latency of a call beside idle sessions",
            "idle sessions, initialized",
            "ms, the median, over one connection",
            latency,
        ),
    }


async def _idle(
    name: str, counts: Sequence[int], options: Options
) -> tuple[_Points, _Points]:
    """Measure memory while sessions are opened, and calls while they are closed.

    What calls leave behind would be taken for the sessions', or be used by them.
    """
    memory: _Points = []
    latency: _Points = []
    with running(SERVERS[name], options.folder) as it:
        client = Client(it.port, it.server.sse_path)
        idle: list[Session] = []
        posts = await client.connect()
        await sse_trips.grow(client, posts, idle, sse_trips.WARM)
        empty = machine.resident_kib(it.pid)
        for count in counts:
            await sse_trips.grow(client, posts, idle, sse_trips.WARM + count)
            memory.append((count, (machine.resident_kib(it.pid) - empty) / count))
        load = partial(sample, it, _CALL, prepare(it, _CALL), 1)
        for count in reversed(counts):
            sse_trips.shrink(idle, count)
            with telling(f"{name}, calls beside {count} sessions"):
                await asyncio.to_thread(load, 1)
                found = await asyncio.to_thread(load, options.seconds)
                # The median, because keep-alives of many sessions come in bursts.
                latency.append((count, found.p50_ms or 0.0))
        sse_trips.shrink(idle, 0)
        posts.transport.abort()
    return memory, latency[::-1]


def tools(options: Options) -> Mapping[str, Chart]:
    """Say how long one call takes beside so many registered tools."""
    series: dict[str, _Points] = {"median": [], "99 of 100": []}
    for count in TOOLS:
        extra = {
            "TOOLS": str(count),
            "DJANGO_SETTINGS_MODULE": "benchmarks.sites.many_tools.settings",
        }
        with running(SERVERS["ours"], options.folder, extra=extra) as it:
            headers = prepare(it, _CALL)
            take = partial(sample, it, _CALL, headers, 1)
            take(1)
            found = take(options.seconds)
            series["median"].append((count, found.p50_ms or 0.0))
            series["99 of 100"].append((count, found.p99_ms or 0.0))
    chart = Chart(
        "Latency against registered tools", "tools", "ms, over one connection", series
    )
    return {"growth-tools": chart}


def workers(options: Options) -> Mapping[str, Chart]:
    """Say what a round trip costs where so many workers share the sessions."""
    series: dict[str, _Points] = {"workers": [], "Redis": []}
    for count in WORKERS:
        with ExitStack() as stack:
            redis = stack.enter_context(running_redis(options.folder))
            extra = {"REDIS_URL": redis.url}
            group = [
                stack.enter_context(
                    running(SERVERS["ours"], options.folder, extra=extra, pin=list)
                )
                for _ in range(count)
            ]
            # Posts reach any worker, as they would behind a proxy.
            clients = [
                Client(owner.port, owner.server.sse_path, other.port)
                for owner in group
                for other in group
            ]
            before = machine.cpu_seconds(redis.process.pid)
            found = sse_trips.measure(group, clients, 48, options.seconds)
            redis_cpu = machine.cpu_seconds(redis.process.pid) - before
            trips = found.value * options.seconds
            series["workers"].append((count, found.cpu_us or 0.0))
            series["Redis"].append((count, redis_cpu / trips * 1e6))
    chart = Chart(
        "Cost of a round trip over HTTP+SSE against workers",
        "workers, joined by Redis",
        "us of time on a core",
        series,
    )
    return {"growth-workers": chart}


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Say what failed, and go on without it."""
    try:
        yield
    except Exception as error:
        failures.append(f"{name}: {error}")
        sys.stderr.write(f"  {name} failed: {error}\n")


PICTURES: Mapping[str, Callable[[Options], Mapping[str, Chart]]] = {
    "connections": connections,
    "sessions": sessions,
    "tools": tools,
    "workers": workers,
}
"""By the name that `--pictures` takes."""


def save(charts: Mapping[str, Chart], folder: Path) -> None:
    """Write each chart as an SVG file of its name."""
    for name, chart in charts.items():
        (folder / f"{name}.svg").write_text(draw(chart))
