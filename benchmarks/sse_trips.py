"""Contenders that answer calls over HTTP+SSE, and what an idle session costs them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks import machine
from benchmarks.compare import Contender, Options, Sampler
from benchmarks.figures import Sample
from benchmarks.servers import Running, Server, running
from benchmarks.sse_client import Client, Posts, Session, call_for
from tests.live.redis import running_redis

WARM = 300
"""Sessions before memory is compared: what comes once has come by then."""

_SETTLED = 2.0
"""Seconds after which a server has forgotten the requests that were."""


def tripping(server: Server, *, sessions: int) -> Contender:
    """Let so many sessions make calls, each one round trip after the other."""
    return partial(_tripping, server, sessions)


@contextmanager
def _tripping(server: Server, sessions: int, options: Options) -> Iterator[Sampler]:
    with running(server, options.folder) as it:
        client = Client(it.port, server.sse_path)
        yield partial(measure, [it], [client], sessions, options.seconds)


def relayed(server: Server, *, sessions: int, is_local: bool) -> Contender:
    """Let sessions of one worker make calls, posted to it or to another one.

    The workers share a Redis, and all processes share all cores: what one worker does
    with a call two do when it is relayed.
    """
    return partial(_relayed, server, sessions, is_local)


@contextmanager
def _relayed(
    server: Server, sessions: int, is_local: bool, options: Options
) -> Iterator[Sampler]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(options.folder))
        owner, other = (
            stack.enter_context(
                running(
                    server, options.folder, extra={"REDIS_URL": redis.url}, pin=list
                )
            )
            for _ in range(2)
        )
        post_port = owner.port if is_local else other.port
        client = Client(owner.port, server.sse_path, post_port)
        yield partial(measure, [owner, other], [client], sessions, options.seconds)


def measure(
    workers: Sequence[Running], clients: Sequence[Client], count: int, seconds: float
) -> Sample:
    """Count round trips a second of so many sessions, opened by these clients in turn.

    Args:
        workers: Whose time counts.
        clients: Who knows where to open and where to post.
        count: Sessions.
        seconds: For how long.
    """
    return asyncio.run(_measure(workers, clients, count, seconds))


async def _measure(
    workers: Sequence[Running], clients: Sequence[Client], count: int, seconds: float
) -> Sample:
    sessions = [await clients[n % len(clients)].open() for n in range(count)]
    await call_for(sessions, seconds / 10)
    before = sum(machine.cpu_seconds(it.pid) for it in workers)
    began = time.perf_counter()
    taken = await call_for(sessions, seconds)
    elapsed = time.perf_counter() - began
    cpu = sum(machine.cpu_seconds(it.pid) for it in workers) - before
    for session in sessions:
        session.stream.transport.abort()
        session.posts.transport.abort()
    p99 = statistics.quantiles(taken, n=100)[98]
    return Sample(len(taken) / elapsed, p99 * 1e3, cpu / len(taken) * 1e6)


def idling(server: Server, *, sessions: int) -> Contender:
    """Hold so many initialized sessions open that do nothing."""
    return partial(_idling, server, sessions)


@contextmanager
def _idling(server: Server, sessions: int, options: Options) -> Iterator[Sampler]:
    def take() -> Sample:
        with running(server, options.folder) as it:
            return Sample(asyncio.run(_session_kib(it, sessions)))

    yield take


async def _session_kib(it: Running, count: int) -> float:
    client = Client(it.port, it.server.sse_path)
    posts = await client.connect()
    idle: list[Session] = []
    await grow(client, posts, idle, WARM)
    empty = machine.resident_kib(it.pid)
    await grow(client, posts, idle, WARM + count)
    full = machine.resident_kib(it.pid)
    shrink(idle, 0)
    posts.transport.abort()
    return (full - empty) / count


async def grow(client: Client, posts: Posts, idle: list[Session], count: int) -> None:
    """Open sessions until there are so many, and let the server come to rest."""
    while len(idle) < count:
        idle.append(await client.open(posts))
    await asyncio.sleep(_SETTLED)


def shrink(idle: list[Session], count: int) -> None:
    """Close sessions until there are so many."""
    while len(idle) > count:
        idle.pop().stream.transport.abort()
