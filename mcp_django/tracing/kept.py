"""Traces that run, in the site's cache, for workers that are started later."""

from __future__ import annotations

from django.core.cache import BaseCache

from mcp_django.conf import mcp_settings
from mcp_django.tracing.plan import Trace
from mcp_django.worker.caches import cache_of

_KEY = "mcp_django:traces"


async def kept_traces() -> list[Trace]:
    """Give the traces that run.

    Raises:
        ServiceAway: The cache does not say.
    """
    return await cache_of(mcp_settings.CACHE).ask(_read)


async def keep_trace(trace: Trace) -> None:
    """Keep one more, until its time is over.

    Raises:
        ServiceAway: The cache does not take it.
    """

    def add(cache: BaseCache) -> None:
        _write(cache, [*_read(cache), trace])

    await cache_of(mcp_settings.CACHE).ask(add)


async def forget_trace(id: str | None) -> None:
    """Keep one no longer; None for all.

    Raises:
        ServiceAway: The cache does not say.
    """

    def remove(cache: BaseCache) -> None:
        rest = [] if id is None else [t for t in _read(cache) if t.id != id]
        _write(cache, rest)

    await cache_of(mcp_settings.CACHE).ask(remove)


def _read(cache: BaseCache) -> list[Trace]:
    traces = map(Trace.read, cache.get(_KEY) or ())
    return [trace for trace in traces if trace.seconds_left > 0]


def _write(cache: BaseCache, traces: list[Trace]) -> None:
    if not traces:
        cache.delete(_KEY)
        return
    seconds = max(trace.seconds_left for trace in traces)
    cache.set(_KEY, [trace.as_json() for trace in traces], timeout=int(seconds) + 1)
