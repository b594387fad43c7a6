"""Small servers to start as child processes, and what shows that they are gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
from mcp_types.jsonrpc import JSONRPCNotification

from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.client.stdio import StdioClientTransport
from tests.transports.witness import PATIENCE_SECONDS

PRELUDE = """
import json, os, signal, sys

def tell(**params):
    message = {"jsonrpc": "2.0", "method": "told", "params": params}
    print(json.dumps(message), flush=True)

def wait_for_ever():
    while True:
        signal.pause()
"""

ECHO = "for line in sys.stdin: print(line, end='', flush=True)"


def server(program: str, *args: str, **options: Any) -> StdioClientTransport:
    """Make a transport that starts a program in Python, which may `tell` things.

    Args:
        program: What it does after `PRELUDE`.
        args: Its arguments, from `sys.argv[1]` on.
        options: Of the transport.
    """
    text = PRELUDE + dedent(program)
    return StdioClientTransport(sys.executable, ["-S", "-c", text, *args], **options)


def told(message: Message) -> dict[str, Any]:
    """Give what a program told."""
    assert isinstance(message, JSONRPCNotification)
    assert message.params is not None
    return message.params


class Lifeline:
    """A pipe that ends when every process that holds it has ended.

    Args:
        path: Of the pipe; programs hold it by opening it for writing.
        descriptor: To read it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = str(path)
        self._descriptor = descriptor

    async def until_cut(self) -> None:
        """Wait until nobody holds it; somebody must have held it before."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await anyio.wait_readable(self._descriptor)
        assert os.read(self._descriptor, 1) == b""

    def is_held(self) -> bool:
        """Say whether a process holds it."""
        try:
            return os.read(self._descriptor, 1) != b""
        except BlockingIOError:
            return True


@contextmanager
def lifeline(directory: Path) -> Iterator[Lifeline]:
    """Make a pipe in a directory."""
    path = directory / "lifeline"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield Lifeline(path, descriptor)
    finally:
        os.close(descriptor)


def assert_reaped(pid: int) -> None:
    """Check that a child of ours is neither alive nor a zombie."""
    try:
        status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
    raise AssertionError(f"child {pid} was not reaped: {status}")


def count_descriptors() -> int:
    """Count the file descriptors that are open in this process."""
    return len(os.listdir("/dev/fd"))
