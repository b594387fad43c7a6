"""A server process with pipes for standard input and output, by hand."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any, cast

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.live import processes
from tests.live.raw import BOUND, INITIALIZE, INITIALIZED

_MAX_LINE_BYTES = 2**20


class StdioServer:
    """A running server process.

    Attributes:
        process: The process.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)

    async def write(self, line: bytes) -> None:
        """Write a line, whatever it is."""
        await self._stdin.send(line + b"\n")

    async def send(self, message: Mapping[str, Any]) -> None:
        """Write a message."""
        await self.write(json.dumps(message).encode())

    async def receive(self) -> Any:
        """Wait for the next line, which has to be JSON.

        Raises:
            EndOfStream: The process has closed its output.
        """
        try:
            with anyio.fail_after(BOUND):
                line = await self._stdout.receive_until(b"\n", _MAX_LINE_BYTES)
        except anyio.IncompleteRead:
            raise anyio.EndOfStream from None
        return json.loads(line)

    async def initialize(self) -> None:
        """Open the session."""
        await self.send(INITIALIZE)
        await self.receive()
        await self.send(INITIALIZED)

    async def begin_call(self, id: int, name: str, **arguments: Any) -> None:
        """Call a tool."""
        params = {"name": name, "arguments": arguments}
        request = {"jsonrpc": "2.0", "id": id, "method": "tools/call"}
        await self.send(request | {"params": params})

    async def call(self, id: int, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and wait for the next message, which has to be its result."""
        await self.begin_call(id, name, **arguments)
        answer = await self.receive()
        assert answer["id"] == id
        return cast(dict[str, Any], answer["result"])

    async def close_input(self) -> None:
        """End the input, as a client does that is done."""
        await self._stdin.aclose()

    async def wait(self) -> int:
        """Wait for the end of the process and give its exit status."""
        with anyio.fail_after(BOUND):
            return await self.process.wait()


@asynccontextmanager
async def running_stdio(
    *options: str,
    extra: Mapping[str, str],
    launcher: tuple[str, ...] = (),
    stderr: IO[bytes] | None = None,
) -> AsyncIterator[StdioServer]:
    """Run `python -m mcp_django stdio` until the end of the block.

    Args:
        options: Of the command.
        extra: Environment variables.
        launcher: Program and arguments that start it, if something else does.
        stderr: File for its standard error; that of the tests if left out.
    """
    command = [*launcher, sys.executable, "-m", "mcp_django", "stdio", *options]
    environment = processes.environment(extra)
    async with await anyio.open_process(
        command, cwd=processes.ROOT, env=environment, stderr=stderr
    ) as process:
        try:
            yield StdioServer(process)
        finally:
            if process.returncode is None:
                process.kill()
