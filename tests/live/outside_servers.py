"""Servers that nobody here wrote, as tests run them: the official SDKs' own."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_django.client.connecting import Target
from mcp_django.transports.client.stdio import StdioClientTransport
from tests.live import processes
from tests.live.interpreters import python_with_sdk_1, python_with_sdk_2
from tests.live.node import has_npm, node, npm_packages
from tests.live.redis import free_port

SERVERS = Path(__file__).parent / "servers"
EVERYTHING = {"@modelcontextprotocol/server-everything": "2026.8.31"}


@dataclass(frozen=True)
class OutsideServer:
    """How to run a server.

    Attributes:
        command: Program and arguments, for each binding.
        paths: Where its HTTP endpoints are.
        port_variable: Environment variable for its port; None if it is an argument.
    """

    command: Callable[[str], Sequence[str]]
    paths: Mapping[str, str]
    port_variable: str | None = None


def _python(interpreter: Callable[[], str], program: str) -> OutsideServer:
    return OutsideServer(
        lambda binding: [interpreter(), str(SERVERS / program), binding],
        {"sse": "/sse", "http": "/mcp"},
    )


def _everything(binding: str) -> Sequence[str]:
    if not has_npm() and not os.environ.get("CI"):
        pytest.skip("npm is not installed (Debian's package: npm)")
    packages = npm_packages("server-everything", EVERYTHING)
    [name] = EVERYTHING
    program = packages / "node_modules" / name / "dist" / "index.js"
    return [node(), str(program), {"http": "streamableHttp"}.get(binding, binding)]


OUTSIDE_SERVERS: Mapping[str, OutsideServer] = {
    "python-1": _python(python_with_sdk_1, "sdk_1.py"),
    "python-2": _python(python_with_sdk_2, "sdk_2.py"),
    "everything": OutsideServer(_everything, {"sse": "/sse", "http": "/mcp"}, "PORT"),
}


@contextmanager
def running_outside_server(
    name: str, binding: str, folder: Path, *, port: int | None = None
) -> Iterator[Target]:
    """Give what a client needs to reach a server, to the end of the block.

    Args:
        name: Of the server.
        binding: "stdio", "sse" or "http".
        folder: Where its log goes.
        port: A free one if left out.
    """
    server = OUTSIDE_SERVERS[name]
    command = list(server.command(binding))
    if binding == "stdio":
        program, *arguments = command
        with (folder / "stderr.log").open("ab") as log:
            yield lambda: StdioClientTransport(program, arguments, stderr=log)
        return
    port = free_port() if port is None else port
    extra = {}
    if server.port_variable:
        extra[server.port_variable] = str(port)
    else:
        command.append(str(port))

    def answers() -> bool:
        # Some listen on IPv6 and IPv4, some on IPv4 alone.
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with processes.running(
        command, log=folder / f"{name}-{binding}.log", extra=extra, is_ready=answers
    ):
        yield f"http://127.0.0.1:{port}{server.paths[binding]}"
