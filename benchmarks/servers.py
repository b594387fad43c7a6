"""How each server is started: on a port of its own, pinned to the first core."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environments, machine
from tests.live import processes
from tests.live.redis import free_port

_PATIENCE = 30.0
"""Seconds that a server has to start."""

OURS = "tests.conformance.asgi:application"


@dataclass(frozen=True)
class Server:
    """How to start a server.

    Attributes:
        command: Gives program and arguments for a port.
        extra: Gives environment variables.
        sse_path: Where an event stream is opened.
    """

    command: Callable[[int], Sequence[str]]
    extra: Callable[[], Mapping[str, str]] = dict
    sse_path: str = "/mcp/sse"


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        server: How it was started.
        port: Where it listens on 127.0.0.1.
        pid: Its process, whose children are counted as well.
    """

    server: Server
    port: int
    pid: int


def on_daphne(application: str) -> Server:
    """Serve an application with plain Daphne."""
    return Server(lambda port: [*_DAPHNE, *_bound(port), application])


def on_mcp_daphne(application: str) -> Server:
    """Serve an application with `manage.py mcp_daphne`."""
    command = [sys.executable, "manage.py", "mcp_daphne", "-v", "0"]
    return Server(
        lambda port: [*command, *_bound(port), application],
        lambda: {"DJANGO_SETTINGS_MODULE": "tests.conformance.settings"},
    )


def on_uvicorn(application: str) -> Server:
    """Serve an application that is installed here with uvicorn."""
    return Server(
        lambda port: [sys.executable, *_UVICORN, str(port), application],
        lambda: {"PYTHONPATH": environments.uvicorn_path()},
    )


def of_sdk(application: str = "application") -> Server:
    """Serve the official SDK's server with uvicorn."""
    return _of_peer("sdk", f"benchmarks.sites.sdk:{application}")


def of_fastmcp(application: str = "application") -> Server:
    """Serve FastMCP's server with uvicorn."""
    return _of_peer("fastmcp", f"benchmarks.sites.fast:{application}")


def of_mcpz() -> Server:
    """Serve django-mcpz's with gunicorn, in threads: its default closes connections."""
    options = ["--workers", "1", "--threads", "4", "--log-level", "error"]
    return Server(
        lambda port: [
            *(environments.python_of("django-mcpz"), "-m", "gunicorn", *options),
            *("--bind", f"127.0.0.1:{port}", "benchmarks.sites.mcpz.wsgi"),
        ]
    )


@contextmanager
def running(
    server: Server,
    folder: Path,
    *,
    extra: Mapping[str, str] = {},
    pin: Callable[[Sequence[str]], list[str]] = machine.pinned,
) -> Iterator[Running]:
    """Run a server until the end of the block.

    Args:
        server: How it is started.
        folder: Where its log goes.
        extra: More environment variables.
        pin: Gives the command that runs on the cores it gets: the first, if left out.
    """
    port = free_port()
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            pin(server.command(port)),
            cwd=processes.ROOT,
            env=processes.environment({**server.extra(), **extra}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it does not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield Running(server, port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE / 10)
        except subprocess.TimeoutExpired:  # it waits for its clients
            process.kill()
            process.wait()


def _of_peer(name: str, application: str) -> Server:
    return Server(
        lambda port: [
            environments.python_of(name),
            *_UVICORN,
            str(port),
            application,
        ],
        sse_path="/sse",
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _bound(port: int) -> list[str]:
    return ["-b", "127.0.0.1", "-p", str(port)]


_DAPHNE = [sys.executable, "-m", "daphne", "-v", "0"]
_UVICORN = ["-m", "uvicorn", "--log-level", "error", "--no-access-log", "--port"]

SERVERS: Mapping[str, Server] = {
    "raw": on_daphne("benchmarks.sites.raw:application"),
    "minimum": on_daphne("benchmarks.sites.minimum:application"),
    "ours": on_daphne(OURS),
    "ours, mcp_daphne": on_mcp_daphne(OURS),
    "minimum, uvicorn": on_uvicorn("benchmarks.sites.minimum:application"),
    "ours, uvicorn": on_uvicorn(OURS),
    "SDK, uvicorn": of_sdk(),
    "FastMCP, uvicorn": of_fastmcp(),
    "django-mcpz, gunicorn": of_mcpz(),
}
"""By the name that the tables give it; those of the first lines on plain Daphne."""

SSE_SERVERS: Mapping[str, Server] = {
    **{name: SERVERS[name] for name in list(SERVERS)[:6]},
    "SDK, uvicorn": of_sdk("sse"),
    "FastMCP, uvicorn": of_fastmcp("sse"),
}
"""Those that offer HTTP+SSE."""

_STDIO = [sys.executable, "-m", "mcp_django", "stdio", "--settings"]

STDIO_SERVERS: Mapping[str, tuple[Callable[[], Sequence[str]], Mapping[str, str]]] = {
    "loop": (lambda: [sys.executable, "-m", "benchmarks.sites.lines"], {}),
    "ours, fixture": (lambda: [*_STDIO, "tests.conformance.settings"], {}),
    "ours, demo": (lambda: [*_STDIO, "demo_project.settings"], {}),
    "SDK": (
        lambda: [environments.python_of("sdk"), "-m", "benchmarks.sites.sdk_stdio"],
        {},
    ),
}
"""Programs and environment variables of those on standard input and output."""
