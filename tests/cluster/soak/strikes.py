"""How things are broken in the soak, where one call does not say it."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import anyio
import httpx2
from channels.exceptions import ChannelFull
from channels_redis.core import (  # type: ignore[import-untyped] # no annotations
    RedisChannelLayer,
)

from tests.cluster.calls import new_key
from tests.cluster.cluster import Cluster
from tests.cluster.soak.stateless import modern_post
from tests.live.raw_http import BOTH
from tests.live.restartable import Worker

Strike: TypeAlias = Callable[[Cluster, Worker], object]
"""Breaks something of a cluster, or at one of its workers; blocks its thread."""

_HANGING: Final = 24
_BLOCKED_SECONDS: Final = 3.0

_unread: list[socket.socket] = []


def restart_redis(cluster: Cluster, worker: Worker) -> None:
    """Let Redis come back without what it knew."""
    cluster.redis.stop()
    cluster.redis.start()


def slow_redis(cluster: Cluster, worker: Worker) -> None:
    """Let all that Redis is asked take a tenth of a second longer."""
    for line in (cluster.cache, cluster.layer):
        line.delay(0.1)


def restart_worker(cluster: Cluster, worker: Worker) -> None:
    """Restart a worker, as a deploy does."""
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 20, f"{worker.name} took too long to end"
    worker.start()


def hang_handlers(cluster: Cluster, worker: Worker) -> None:
    """Let handlers of one user hang, whose client is gone."""
    for _ in range(_HANGING):
        with suppress(httpx2.TransportError):
            _post(cluster, worker, "hang")


def _post(
    cluster: Cluster,
    worker: Worker,
    tool: str,
    timeout: float = 0.3,
    **arguments: object,
) -> httpx2.Response:
    """Call a tool, and wait for its answer for a moment only."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    arguments = {"key": new_key(), **arguments}
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {
        "accept": BOTH,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": tool,
        **cluster.users["hal"].with_token,
    }
    return httpx2.post(
        f"{worker.url}/mcp", headers=headers, json=message, timeout=timeout
    )


def use_all_connections(cluster: Cluster, worker: Worker) -> None:
    """Leave no connection to the database."""
    cluster.postgres.use_all_connections()


def block_the_loop(cluster: Cluster, worker: Worker) -> None:
    """Have a handler hold the event loop, and go away."""
    with suppress(httpx2.TransportError):
        _post(cluster, worker, "block", seconds=_BLOCKED_SECONDS)


def vanish(cluster: Cluster, worker: Worker) -> None:
    """Break connections amid calls, without a word."""
    for connection in _ask_by_hand(cluster, worker, "wait", seconds=30.0):
        linger = struct.pack("ii", 1, 0)  # so that the end is a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()


def read_nothing(cluster: Cluster, worker: Worker) -> None:
    """Ask for much, and read nothing, for as long as the process lives or is ended."""
    _unread.extend(_ask_by_hand(cluster, worker, "text", size=500_000))


def close_unread(cluster: Cluster, worker: Worker) -> None:
    """Close what was not read."""
    while _unread:
        _unread.pop().close()


def _ask_by_hand(
    cluster: Cluster, worker: Worker, tool: str, **arguments: object
) -> Sequence[socket.socket]:
    asked = []
    for _ in range(_HANGING):
        connection = socket.create_connection(("127.0.0.1", worker.port))
        user = cluster.users["hal"]
        connection.sendall(modern_post(user, tool, new_key(), **arguments))
        asked.append(connection)
    return asked


def fill_mailbox(cluster: Cluster, worker: Worker) -> None:
    """Fill the mailbox of a worker that does not read it, with what is no envelope."""
    answer = _post(cluster, worker, "mailbox", timeout=10.0).json()
    name = answer["result"]["content"][0]["text"]
    worker.freeze()
    anyio.run(_send_until_full, cluster.redis.url, name)


async def _send_until_full(url: str, mailbox: str) -> None:
    layer = RedisChannelLayer(hosts=[{"address": url}])
    with suppress(ChannelFull):
        while True:
            await layer.send(mailbox, {"type": "mcp.told", "body": b"\xff\x00"})
    await layer.close_pools()


def rotate_keys(cluster: Cluster, worker: Worker) -> None:
    """Take a new key, and keep the old one for what it has sealed."""
    cluster.rotate_keys()
    for each in cluster.workers:
        each.stop()
        each.start()


def set_clock(seconds: float) -> Strike:
    """Give what sets the clock of a worker."""

    def strike(cluster: Cluster, worker: Worker) -> None:
        cluster.clocks[worker].set(seconds)

    return strike


def set_all_clocks(seconds: float) -> Strike:
    """Give what sets the clocks of all workers."""

    def strike(cluster: Cluster, worker: Worker) -> None:
        for clock in cluster.clocks.values():
            clock.set(seconds)

    return strike
