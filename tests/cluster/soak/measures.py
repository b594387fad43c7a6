"""What the workers hold, and how much more of it they may hold at the end."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from tests.cluster.cluster import Cluster
from tests.live import processes
from tests.live.restartable import Worker

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Measure:
    """Something that shall be where it was.

    Attributes:
        name: Of what is measured.
        value: How much there is.
        room: How much more there may be at the end; what pools may still grow by, and
            what an allocator keeps.
    """

    name: str
    value: float
    room: float


def measure(cluster: Cluster) -> Sequence[Measure]:
    """Look at all workers, at Redis and PostgreSQL."""
    measures = [found for worker in cluster.workers for found in _of(worker, cluster)]
    connections = cluster.postgres.count_connections()
    return [
        *measures,
        Measure("connections of PostgreSQL", connections, 0),
        Measure("keys of Redis", count_keys(cluster.redis.port), 10),
    ]


def _of(worker: Worker, cluster: Cluster) -> Sequence[Measure]:
    process = psutil.Process(worker.pid)
    found = process.net_connections("tcp")
    to = [connection.raddr.port for connection in found if connection.raddr]
    ours = [connection for connection in found if connection.laddr.port == worker.port]
    clients = [connection for connection in ours if connection.raddr]

    def named(what: str, value: float, room: float) -> Measure:
        return Measure(f"{worker.name} {what}", value, room)

    return [
        named("MiB", processes.resident_bytes(worker.pid) / MEBIBYTE, 40),
        named("threads", process.num_threads(), 24),
        named("descriptors", process.num_fds(), 20),
        named("clients", len(clients), 0),
        named("connections of the cache", to.count(cluster.cache.port), 8),
        named("connections of the layer", to.count(cluster.layer.port), 4),
        named("connections of the database", to.count(cluster.database.port), 0),
    ]


def count_keys(port: int) -> int:
    """Count the keys of all databases of a Redis."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"INFO keyspace\r\n")
        text = connection.recv(65536).decode()
    found = [line for line in text.splitlines() if line.startswith("db")]
    return sum(int(line.partition("keys=")[2].partition(",")[0]) for line in found)
