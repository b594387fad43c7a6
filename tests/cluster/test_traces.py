"""What operators see of what is said in all workers."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.streams.text import TextReceiveStream
from anyio.to_thread import run_sync

from tests.cluster.calls import call
from tests.cluster.cluster import Cluster
from tests.live import processes
from tests.live.raw import open_http, open_stream
from tests.live.restartable import Worker
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live


class Following:
    """A terminal that follows a trace."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._read = TextReceiveStream(process.stdout)
        self._read_errors = TextReceiveStream(process.stderr)
        self._rest = ""
        self.lines: list[dict[str, Any]] = []

    async def begun(self) -> str:
        """Wait until the workers have begun, and give what is said of them."""
        with anyio.fail_after(PATIENCE_SECONDS):
            return await self._read_errors.receive()

    async def until(self, **members: Any) -> dict[str, Any]:
        """Wait for a line that has such members."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                for line in self.lines:
                    if members.items() <= {**line, **_of_message(line)}.items():
                        return line
                *whole, self._rest = (self._rest + await self._read.receive()).split(
                    "\n"
                )
                self.lines += [json.loads(line) for line in whole]

    async def stop(self) -> int:
        """Press Ctrl-C, and give the exit status."""
        self._process.send_signal(signal.SIGINT)
        with anyio.fail_after(PATIENCE_SECONDS):
            return await self._process.wait()


def _of_message(line: dict[str, Any]) -> dict[str, Any]:
    message = line.get("message")
    return {"method": message.get("method")} if isinstance(message, dict) else {}


def _command(*options: str) -> list[str]:
    return [sys.executable, "manage.py", "mcp_trace", *options]


@asynccontextmanager
async def following(cluster: Cluster, *options: str) -> AsyncIterator[Following]:
    """Follow a trace in a process of its own."""
    async with await anyio.open_process(
        _command(*options, "--follow"),
        cwd=processes.ROOT,
        env=processes.environment(cluster.environment),
    ) as process:
        try:
            yield Following(process)
        finally:
            if process.returncode is None:
                process.kill()


async def test_one_user_is_followed_through_all_workers(cluster: Cluster) -> None:
    """We promise it: also in a worker that is started meanwhile, and what one hands
    over to another; Ctrl-C ends it everywhere."""
    one, two = cluster.workers
    ann, bob = (cluster.users[name] for name in ("ann", "bob"))
    async with (
        following(cluster, "--user", "ann") as trace,
        open_http(ann.with_token) as http,
        open_http(bob.with_token) as other,
    ):
        assert "Ctrl-C ends it" in await trace.begun()
        await call(other, one, "count_users")
        await _until_seen(trace, http, *cluster.workers)
        async with open_stream(http, one.url, post_to=two.url) as stream:
            await stream.initialize()
            first = await trace.until(binding="sse", method="initialize")
            second = await trace.until(binding="relay", method="initialize")
        assert first["session"] == second["session"]
        assert first["worker"] == _name(two)
        assert second["worker"] == _name(one)
        await two.restart()
        await _until_seen(trace, http, two)
        assert await trace.stop() == 0
        users = {line["user"] for line in trace.lines if "user" in line}
    assert len(users) == 1
    listed, _ = await run_sync(processes.run, _command(), cluster.environment)
    assert listed == "no trace in 2 workers\n"


async def _until_seen(trace: Following, http: Any, *workers: Worker) -> None:
    """Call workers until they trace it: a second after the first request of each."""

    async def call_again_and_again() -> None:
        while True:
            for worker in workers:
                await call(http, worker, "count_users")
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_again_and_again)
        for worker in workers:
            await trace.until(worker=_name(worker), binding="streamable-http")
        tasks.cancel_scope.cancel()


def _name(worker: Worker) -> str:
    return f"{socket.gethostname()}:{worker.pid}"
