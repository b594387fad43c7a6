"""What breaks in the soak, one thing after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx2

from tests.cluster.cluster import Cluster
from tests.live.raw_http import BOTH
from tests.live.restartable import Worker

Strike: TypeAlias = Callable[[Cluster, Worker], object]

_DOWN_SECONDS: Final = 6.0
_HANGING: Final = 24


@dataclass(frozen=True)
class Fault:
    """Something that breaks.

    Attributes:
        name: For people.
        strike: Breaks it; blocks its thread.
        seconds: How long it stays so.
        mend: What `Cluster.mend` cannot know; blocks its thread.
    """

    name: str
    strike: Strike
    seconds: float = _DOWN_SECONDS
    mend: Strike | None = None


def _restart_redis(cluster: Cluster, worker: Worker) -> None:
    cluster.redis.stop()
    cluster.redis.start()


def _restart_worker(cluster: Cluster, worker: Worker) -> None:
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 20, f"{worker.name} took too long to end"
    worker.start()


def _hang_handlers(cluster: Cluster, worker: Worker) -> None:
    """Let handlers of one user hang, whose client is gone."""
    headers = {"accept": BOTH, **cluster.users["hal"].with_token}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "hang", "arguments": {"key": "hang"}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    names = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "hang",
    }
    with httpx2.Client(headers={**headers, **names}, timeout=0.2) as http:
        for _ in range(_HANGING):
            try:
                http.post(f"{worker.url}/mcp", json=message)
            except httpx2.TransportError:
                continue


FAULTS: Final[Sequence[Fault]] = (
    Fault("nothing breaks", lambda *_: None),  # what the others compare with
    Fault("Redis is killed", lambda cluster, _: cluster.redis.kill()),
    Fault("Redis stands still", lambda cluster, _: cluster.redis.freeze()),
    Fault("Redis forgets all", lambda cluster, _: cluster.redis.forget()),
    Fault("Redis is restarted", _restart_redis),
    Fault("cache is slow", lambda cluster, _: cluster.cache.delay(0.3)),
    Fault("cache gets nothing", lambda cluster, _: cluster.cache.drop()),
    Fault("layer gets nothing", lambda cluster, _: cluster.layer.drop()),
    Fault("cache is cut off", lambda cluster, _: cluster.cache.refuse()),
    Fault(
        "PostgreSQL ends connections",
        lambda cluster, _: cluster.postgres.end_connections(),
    ),
    Fault("PostgreSQL is killed", lambda cluster, _: cluster.postgres.kill()),
    Fault("PostgreSQL stands still", lambda cluster, _: cluster.postgres.freeze()),
    Fault(
        "PostgreSQL is read-only",
        lambda cluster, _: cluster.postgres.take_writes(False),
    ),
    Fault("database gets nothing", lambda cluster, _: cluster.database.drop()),
    Fault("a worker is killed", lambda _, worker: worker.kill()),
    Fault("a worker stands still", lambda _, worker: worker.freeze()),
    Fault("a worker is restarted", _restart_worker),
    Fault("handlers hang", _hang_handlers, mend=_restart_worker),
    Fault(
        "clients are half-open",
        lambda cluster, worker: cluster.fronts[cluster.workers.index(worker)].freeze(),
        15,
    ),
)
