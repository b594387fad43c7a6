"""Four Daphne processes on one Redis, which count the requests of a user together."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.to_thread import run_sync

from mcp_django import Client
from tests.live import processes
from tests.live.daphne import running_daphne
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient
from tests.live.restartable import RedisServer, Worker
from tests.patience import SOON_SECONDS
from tests.worker.rushes import longest_rush

pytestmark = pytest.mark.live

RATE = 15
WORKERS = 4
SETTINGS = "tests.live.settings"
ISSUE = """
from django.contrib.auth.models import User
from mcp_django.tokens.models import Token
print(Token.issue(User.objects.create_user("ann"), "rates")[1])
"""


class Site:
    """Workers that let each user send few requests.

    Attributes:
        redis: Joins them.
        workers: The workers.
        token: A user's.
    """

    def __init__(self, folder: Path) -> None:
        self.redis = RedisServer(folder)
        self.token = ""
        joined = {"REDIS_URL": self.redis.url, "MAX_RATE": str(RATE)}
        self._variables = {
            **joined,
            "CONFORMANCE_DATABASE": str(folder / "site.sqlite3"),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
        }
        serve = partial(running_daphne, folder, settings=SETTINGS, extra=joined)
        self.workers = [Worker(f"worker{number}", serve) for number in range(WORKERS)]

    def issue_token(self) -> None:
        """Make a user with a token."""
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", ISSUE]
        self.token = processes.run(command, self._variables)[0].split()[-1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("rates"))
    with ExitStack() as started:
        for process in (site.redis, *site.workers):
            started.callback(process.stop)
            process.start()
        site.issue_token()
        yield site


async def let_through(site: Site, seconds: float) -> list[float]:
    """Ask all workers for much more than the rate, and give when they answered."""
    answered: list[float] = []

    async def ask(http: httpx2.AsyncClient, worker: Worker) -> None:
        client = ModernClient(http)
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            with anyio.fail_after(SOON_SECONDS):
                async with client.open(worker.url, "tools/list", {}) as answer:
                    status = answer.status
            if status == 200:
                answered.append(now)
            else:
                assert status == 429
                assert int(answer.response.headers["retry-after"]) >= 1
            await anyio.sleep(1 / RATE / 2)  # each worker is asked for twice the rate

    async with (
        open_http({"Authorization": f"Bearer {site.token}"}) as http,
        anyio.create_task_group() as tasks,
    ):
        for worker in site.workers:
            tasks.start_soon(ask, http, worker)
    return answered


async def test_workers_let_a_user_have_the_rate_together(site: Site) -> None:
    """We promise it: never more than twice the rate for more than two seconds."""
    seconds = 8.0
    began = time.monotonic()
    answered = await let_through(site, seconds)

    settled = [at for at in answered if at > began + 2]
    most = max(sum(at <= each < at + 2.5 for each in settled) for at in settled)
    assert most <= 2 * RATE * 2.5
    assert longest_rush(answered, RATE) <= 2
    # The first second is paid back; a user who was idle has a second's worth beside.
    assert RATE * seconds / 2 <= len(answered) <= RATE * (seconds + 2)


async def test_workers_without_redis_keep_to_the_rate_each(site: Site) -> None:
    """We promise it: a cache that hangs leaves the local limit, and nothing waits."""
    site.redis.freeze()
    try:
        answered = await let_through(site, 4)
    finally:
        site.redis.thaw()

    assert len(answered) <= WORKERS * RATE * (4 + 1.5)
    lines = await run_sync(site.workers[0].log_lines)
    said = [line for line in lines if "each process counts the requests" in line]
    assert len(said) == 1


async def test_client_that_exceeds_the_rate_comes_back_when_it_is_told(
    site: Site,
) -> None:
    """We promise it: users of ours see nothing of it, but that it takes longer."""
    url = f"{site.workers[0].url}/mcp"
    with anyio.fail_after(SOON_SECONDS):
        async with (
            Client(url, token=site.token) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(2 * RATE):
                tasks.start_soon(client.ping)
