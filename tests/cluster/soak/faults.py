"""What breaks in the soak, one thing after the other."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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

_DOWN_SECONDS: Final = 6.0
_HANGING: Final = 24
_BLOCKED_SECONDS: Final = 3.0

_unread: list[socket.socket] = []


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and what is promised of it.

    Attributes:
        name: For people.
        strike: Breaks it; blocks its thread.
        seconds: How long it stays so.
        mend: What `Cluster.mend` cannot know; blocks its thread.
        sees: What clients see, in words.
        within: Seconds in which each call that begins meanwhile ends, in one way or
            another; more for a machine that is busy.
        signs: How such calls may end beside being answered, as `sign_of` says it.
        logged: What the log has to say of it, if anything.
    """

    name: str
    strike: Strike
    seconds: float = _DOWN_SECONDS
    mend: Strike | None = None
    sees: str = "nothing"
    within: float = 15.0
    signs: frozenset[str] = frozenset()
    logged: str = ""


def _restart_redis(cluster: Cluster, worker: Worker) -> None:
    cluster.redis.stop()
    cluster.redis.start()


def _slow_redis(cluster: Cluster, worker: Worker) -> None:
    for line in (cluster.cache, cluster.layer):
        line.delay(0.1)


def _restart_worker(cluster: Cluster, worker: Worker) -> None:
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 20, f"{worker.name} took too long to end"
    worker.start()


def _hang_handlers(cluster: Cluster, worker: Worker) -> None:
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


def _use_all_connections(cluster: Cluster, worker: Worker) -> None:
    cluster.postgres.use_all_connections()


def _block_the_loop(cluster: Cluster, worker: Worker) -> None:
    """Have a handler hold the event loop, and go away."""
    with suppress(httpx2.TransportError):
        _post(cluster, worker, "block", seconds=_BLOCKED_SECONDS)


def _vanish(cluster: Cluster, worker: Worker) -> None:
    """Break connections amid calls, without a word."""
    for connection in _ask_by_hand(cluster, worker, "wait", seconds=30.0):
        linger = struct.pack("ii", 1, 0)  # so that the end is a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()


def _read_nothing(cluster: Cluster, worker: Worker) -> None:
    """Ask for much, and read nothing, for as long as the process lives or is ended."""
    _unread.extend(_ask_by_hand(cluster, worker, "text", size=500_000))


def _close_unread(cluster: Cluster, worker: Worker) -> None:
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


def _fill_mailbox(cluster: Cluster, worker: Worker) -> None:
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


def _rotate_keys(cluster: Cluster, worker: Worker) -> None:
    """Take a new key, and keep the old one for what it has sealed."""
    cluster.rotate_keys()
    for each in cluster.workers:
        each.stop()
        each.start()


def _set_clock(seconds: float) -> Strike:
    def strike(cluster: Cluster, worker: Worker) -> None:
        cluster.clocks[worker].set(seconds)

    return strike


def _set_all_clocks(seconds: float) -> Strike:
    def strike(cluster: Cluster, worker: Worker) -> None:
        for clock in cluster.clocks.values():
            clock.set(seconds)

    return strike


_ENDED: Final = "connection ended"
_NOT_TAKEN: Final = frozenset({"400", "404", "503"})
"""400 to an answer whose question is waited for no longer, or none that can be reached,
and to an event id of which nothing is kept."""
_EXPIRED: Final = frozenset({"error -32602"})
_AWAY: Final = frozenset({"503", "error -32603", "tool error", _ENDED})

FAULTS: Final[Sequence[Fault]] = (
    # What the others compare with.
    Fault("nothing breaks", lambda *_: None),
    Fault(
        "Redis is killed",
        lambda cluster, _: cluster.redis.kill(),
        sees="calls are answered; what has to go to another worker, or to be kept, is "
        "refused; listeners are told that everything may have changed",
        signs=_AWAY | _NOT_TAKEN,
        logged="does not answer|is away",
    ),
    Fault(
        "Redis stands still",
        lambda cluster, _: cluster.redis.freeze(),
        sees="the same, the first calls of a session after a second or two",
        signs=_AWAY | _NOT_TAKEN,
        logged="does not answer|is away",
    ),
    Fault(
        "Redis forgets all",
        lambda cluster, _: cluster.redis.forget(),
        sees="listeners are told that everything may have changed; a stream of a "
        "call that was lost cannot be resumed",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "Redis is restarted",
        _restart_redis,
        sees="both of these, for a moment",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "Redis is full",
        lambda cluster, _: cluster.redis.limit(1),
        mend=lambda cluster, _: cluster.redis.limit(0),
        sees="calls are answered; what has to be written is refused",
        signs=_AWAY | _NOT_TAKEN,
        logged="does not answer|is away|fail",
    ),
    Fault(
        "Redis is slow",
        _slow_redis,
        sees="calls that need it take as much longer, side by side",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "cache hangs",
        lambda cluster, _: cluster.cache.freeze(),
        sees="what a session keeps is refused or done without, after a second or two",
        signs=_AWAY | _NOT_TAKEN,
        logged="cache",
    ),
    Fault(
        "cache gets nothing",
        lambda cluster, _: cluster.cache.drop(),
        sees="the same",
        signs=_AWAY | _NOT_TAKEN,
        logged="cache",
    ),
    Fault(
        "cache is cut off",
        lambda cluster, _: cluster.cache.refuse(),
        sees="the same, at once",
        signs=_AWAY | _NOT_TAKEN,
        logged="cache",
    ),
    Fault(
        "layer gets nothing",
        lambda cluster, _: cluster.layer.drop(),
        sees="what has to go to another worker is refused",
        signs=_AWAY | _NOT_TAKEN,
        logged="layer",
    ),
    Fault(
        "layer is at its capacity",
        _fill_mailbox,
        sees="what has to go to the worker whose mailbox is full is refused; that "
        "worker stands still here, so that its own clients wait for it",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "PostgreSQL ends connections",
        lambda cluster, _: cluster.postgres.end_connections(),
        sees="a query that runs just then fails",
        signs=_AWAY,
    ),
    Fault(
        "PostgreSQL is killed",
        lambda cluster, _: cluster.postgres.kill(),
        sees="no user can be recognized, so all requests are refused with "
        "`Retry-After`; open streams stay",
        signs=_AWAY | _NOT_TAKEN,
        logged="the database 'default'",
    ),
    Fault(
        "PostgreSQL stands still",
        lambda cluster, _: cluster.postgres.freeze(),
        sees="the same, the first requests after five seconds",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "database gets nothing",
        lambda cluster, _: cluster.database.drop(),
        sees="the same",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "PostgreSQL is read-only",
        lambda cluster, _: cluster.postgres.take_writes(False),
        sees="what writes fails",
        signs=_AWAY,
    ),
    Fault(
        "PostgreSQL has no connection left",
        _use_all_connections,
        mend=lambda cluster, _: cluster.postgres.free_connections(),
        sees="as if it were away",
        signs=_AWAY | _NOT_TAKEN,
        logged="the database 'default'",
    ),
    Fault(
        "a worker is killed",
        lambda _, worker: worker.kill(),
        sees="its connections end; others go on, and a session of HTTP+SSE that it "
        "held is not found",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "a worker stands still",
        lambda _, worker: worker.freeze(),
        sees="its clients wait until it goes on; what others should hand to it is "
        "not found after two seconds, and is not done later",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "a worker is restarted",
        _restart_worker,
        sees="calls that run are answered; new ones are refused, then its connections "
        "end; sessions of Streamable HTTP go on",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "handlers hang",
        _hang_handlers,
        mend=_restart_worker,
        sees="nothing, but for the user whose handlers they are",
        signs=_AWAY | _NOT_TAKEN,
        logged="'hang'",
    ),
    Fault(
        "a handler blocks the event loop",
        _block_the_loop,
        sees="everything of that worker waits until it is done",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault("clients vanish", _vanish),
    Fault("clients do not read", _read_nothing, mend=_close_unread),
    Fault(
        "clients are half-open",
        lambda cluster, worker: cluster.fronts[cluster.workers.index(worker)].freeze(),
        15,
        sees="nothing arrives until the network is back",
        within=30.0,
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "keys are rotated",
        _rotate_keys,
        sees="what a restart shows; sessions go on as long as the old key is among "
        "`SECRET_KEY_FALLBACKS`",
        signs=_AWAY | _NOT_TAKEN,
    ),
    Fault(
        "the clock of a worker jumps ahead by an hour",
        _set_clock(3600.0),
        sees="what has expired by one clock is refused there: here a session id after "
        "a minute, and `requestState` after five; idle connections end",
        signs=_AWAY | _NOT_TAKEN | _EXPIRED,
    ),
    Fault(
        "the clock of a worker jumps back by an hour",
        _set_clock(-3600.0),
        sees="the same",
        signs=_AWAY | _NOT_TAKEN | _EXPIRED,
    ),
    Fault(
        "all clocks jump ahead by five minutes",
        _set_all_clocks(300.0),
        sees="the same",
        signs=_AWAY | _NOT_TAKEN | _EXPIRED,
    ),
    Fault(
        "all clocks jump back by five minutes",
        _set_all_clocks(-300.0),
        sees="nothing, and the same when they are right again",
        signs=_AWAY | _NOT_TAKEN | _EXPIRED,
    ),
)
