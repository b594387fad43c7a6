"""What operators end from a terminal, while clients use two workers over Redis."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import new_key
from tests.cluster.cluster import Cluster
from tests.live.processes import ROOT, environment
from tests.live.raw import open_http
from tests.live.raw_http import Answer, Client, ModernClient, Session, open_session
from tests.live.restartable import Worker

pytestmark = pytest.mark.live

ENDED = {"code": -32603, "message": "the request was ended by an operator"}
SECONDS = 5.0
"""In which everything has ended, from when the command was started."""


async def mcp_status(cluster: Cluster, *options: str) -> Any:
    """Run `manage.py mcp_status`, as operators do, and give what it says."""
    command = [sys.executable, "manage.py", "mcp_status", "--json", *options]
    run = partial(
        subprocess.run,
        command,
        cwd=ROOT,
        env=environment(cluster.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    done = await run_sync(run)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


async def wait_until_seen(cluster: Cluster) -> None:
    """Wait until both workers answer operators: a second after their first request."""
    with anyio.fail_after(30):
        while len((await mcp_status(cluster))["workers"]) < 2:
            pass


class Calls:
    """Calls that would take minutes, one in each era at each worker.

    Attributes:
        errors: With what they were answered, and when.
        begun: Set when all of them run.
    """

    def __init__(self, count: int) -> None:
        self.errors: list[tuple[Any, float]] = []
        self.begun = anyio.Event()
        self._left = count

    async def call(self, client: Client, worker: Worker) -> None:
        """Make one of them, and wait for its answer."""
        async with client.open_call(
            worker.url, "wait", with_progress=True, key=new_key(), seconds=300
        ) as answer:
            await answer.receive()
            self._left -= 1
            if not self._left:
                self.begun.set()
            self.errors.append((await _error_of(answer), time.monotonic()))


async def _error_of(answer: Answer) -> Any:
    while "method" in (message := await answer.receive()):
        pass
    return message.get("error", message)


async def end(
    cluster: Cluster, http: httpx2.AsyncClient, session: Session, *what: str
) -> tuple[Any, list[Any]]:
    """Begin calls at both workers, end something, and see them end in time."""
    calls = Calls(2 * len(cluster.workers))
    async with anyio.create_task_group() as tasks:
        for worker in cluster.workers:
            for client in (ModernClient(http), session):
                tasks.start_soon(calls.call, client, worker)
        with anyio.fail_after(30):
            await calls.begun.wait()
        began = time.monotonic()
        said = await mcp_status(cluster, "--end", *what)
        took = time.monotonic() - began
        with anyio.fail_after(30):
            while len(calls.errors) < 4:  # noqa: ASYNC110
                await anyio.sleep(0.02)
    # None of them ends later than the command does, but for what the network takes.
    assert max(at for _, at in calls.errors) - began <= took + SECONDS
    return said, [error for error, _ in calls.errors]


async def test_calls_and_sessions_end_in_all_workers_within_seconds(
    cluster: Cluster,
) -> None:
    """We promise it: of a feature, a token, a user, and all."""
    ann = cluster.users["ann"]
    one, other = cluster.workers
    async with open_http(ann.with_token) as http, open_http(ann.with_cookie) as browser:
        await ModernClient(http).ask(one.url, "tools/list")
        await ModernClient(http).ask(other.url, "tools/list")
        await wait_until_seen(cluster)

        session = await open_session(http, one.url)
        said, errors = await end(cluster, http, session, "feature:cluster/tool:wait")
        assert errors == [ENDED] * 4
        # Another test may have left one behind.
        assert all(worker["calls"] >= 2 for worker in said["workers"])
        assert await session.status(other.url) == 200

        label = await _label_of_token(cluster, http, one)
        kept = await open_session(browser, one.url)
        for what in (f"credential:{label}", "user:ann"):
            session = await open_session(http, one.url)
            said, errors = await end(cluster, http, session, what)
            assert errors == [ENDED] * 4
            assert [worker["calls"] for worker in said["workers"]] == [2, 2]
            for worker in (one, other):
                assert await session.status(worker.url) == 404
            is_of_token = what.startswith("credential")
            assert await kept.status(other.url) == (200 if is_of_token else 404)

        session = await open_session(http, one.url)
        async with session.get(other.url) as stream:
            said, errors = await end(cluster, http, session, "all")
            assert errors == [ENDED] * 4
            assert sum(worker["streams"] for worker in said["workers"]) == 1
            with anyio.fail_after(SECONDS):
                assert await stream.receive_all() == []


async def _label_of_token(
    cluster: Cluster, http: httpx2.AsyncClient, worker: Worker
) -> str:
    """Find the label of the token of ann, as operators do."""
    command = [sys.executable, "manage.py", "mcp_token", "list", "--user", "ann"]
    run = partial(
        subprocess.check_output,
        command,
        cwd=ROOT,
        text=True,
        env=environment(cluster.environment),
    )
    listed = await run_sync(run)
    found = re.search(r"^\s*(\d+)\b", listed, re.MULTILINE)
    assert found is not None, listed
    return f"token {found[1]}"
