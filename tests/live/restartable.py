"""Servers that end and come back at the same address."""

from __future__ import annotations

import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

import anyio

from tests.live.daphne import Daphne
from tests.live.redis import free_port, running_redis


class Restartable(ABC):
    """A process that comes back at the same address.

    Attributes:
        port: Where it listens.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _begin(self, running: ExitStack) -> subprocess.Popen[bytes]:
        """Start it, let `running` know how it ends, and wait until it can be used."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None, f"{type(self).__name__} was not started"
        return self._process

    @property
    def pid(self) -> int:
        """The id of that process."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there, be it frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it can be used."""
        self._process = self._begin(self._running)

    def stop(self) -> None:
        """End it by SIGTERM; harmless if it ended already."""
        if self.is_running:
            self.thaw()
        self._running.close()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it: its connections stay open, and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; harmless if it does."""
        self.process.send_signal(signal.SIGCONT)

    async def restart(self) -> None:
        """End it by SIGTERM, and start it again."""
        await anyio.to_thread.run_sync(self.stop)
        await anyio.to_thread.run_sync(self.start)


class RedisServer(Restartable):
    """Redis, which forgets everything when it ends.

    Attributes:
        folder: For its log.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @property
    def url(self) -> str:
        """Its address, for `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def forget(self) -> None:
        """Let it forget everything, and all who are connected stay so."""
        self._do("FLUSHALL")

    def limit(self, size: int) -> None:
        """Let it take no more than so many bytes; 0 for any number."""
        self._do(f"CONFIG SET maxmemory {size}")

    def _do(self, command: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(f"{command}\r\n".encode())
            assert connection.recv(16) == b"+OK\r\n"

    def _begin(self, running: ExitStack) -> subprocess.Popen[bytes]:
        redis = running.enter_context(running_redis(self.folder, port=self.port))
        return redis.process


class Serve(Protocol):
    """Runs a Daphne until the end of a block."""

    def __call__(self, *, name: str, port: int) -> AbstractContextManager[Daphne]:
        """Run it.

        Args:
            name: Of its log.
            port: Where it listens.
        """


class Worker(Restartable):
    """A Daphne.

    Args:
        name: Of its logs.
        serve: Runs it.

    Attributes:
        name: Of its logs.
    """

    def __init__(self, name: str, serve: Serve) -> None:
        super().__init__()
        self.name = name
        self._serve = serve
        self._logs: list[Path] = []

    @property
    def url(self) -> str:
        """Address of the site, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def log_lines(self) -> list[str]:
        """Give what it wrote, since it was first started."""
        return [line for log in self._logs for line in log.read_text().splitlines()]

    def _begin(self, running: ExitStack) -> subprocess.Popen[bytes]:
        name = f"{self.name}-{len(self._logs) + 1}"
        daphne = running.enter_context(self._serve(name=name, port=self.port))
        self._logs.append(daphne.log)
        return daphne.process
