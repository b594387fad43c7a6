"""Two Daphne processes on one Redis, which keep credentials and hear when they end."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.live import processes
from tests.live.daphne import running_daphne
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import ModernClient
from tests.live.restartable import RedisServer, Worker
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

SETTINGS = "tests.live.settings"
ISSUE = """
from django.contrib.auth.models import User
from mcp_django.tokens.models import Token
print(Token.issue(User.objects.create_user("ann"), "kept")[1])
"""


class Site:
    """Two workers of one site, which keep credentials for an hour.

    Attributes:
        redis: Joins them.
        workers: The workers.
    """

    def __init__(self, folder: Path) -> None:
        self.redis = RedisServer(folder)
        self.database = folder / "site.sqlite3"
        joined = {"REDIS_URL": self.redis.url, "CREDENTIAL_CACHE_SECONDS": "3600"}
        self._variables = {
            **joined,
            "CONFORMANCE_DATABASE": str(self.database),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
        }
        serve = partial(running_daphne, folder, settings=SETTINGS, extra=joined)
        self.workers = [Worker("one", serve), Worker("other", serve)]

    def manage(self, *arguments: str) -> str:
        """Run a command in a process of its own, and give what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        return processes.run(command, self._variables)[0]

    def set_revoked(self, revoked_at: str | None) -> None:
        """Say in the database when all tokens were revoked, and tell nobody."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            statement = "UPDATE mcp_tokens_token SET revoked_at = ?"
            connection.execute(statement, [revoked_at])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    with ExitStack() as started:
        for process in (site.redis, *site.workers):
            started.callback(process.stop)
            process.start()
        yield site


async def test_revocation_by_a_command_counts_at_once_on_all_workers(
    site: Site,
) -> None:
    """We promise it; what nobody tells counts when the time is over."""
    token = (await run_sync(site.manage, "shell", "-v", "0", "-c", ISSUE)).split()[-1]
    async with open_http({"Authorization": f"Bearer {token}"}) as http:

        async def status(worker: Worker) -> int:
            arguments = {"name": "add", "arguments": {"a": 1, "b": 2}}
            call = ModernClient(http).open(worker.url, "tools/call", arguments)
            async with call as answer:
                return answer.response.status_code

        async def wait_until_kept(worker: Worker) -> None:
            while True:
                assert await status(worker) == 200
                await run_sync(site.set_revoked, "2026-01-01 00:00:00")
                is_kept = await status(worker) == 200
                await run_sync(site.set_revoked, None)
                if is_kept:
                    return

        with anyio.fail_after(BOUND):
            for worker in site.workers:
                await wait_until_kept(worker)
        await run_sync(site.manage, "mcp_token", "revoke", "1")
        with anyio.fail_after(SOON_SECONDS):
            for worker in site.workers:
                while await status(worker) != 401:
                    pass
