"""Features switched off for two processes that serve, and stay so."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.to_thread import run_sync

from tests.live import processes
from tests.live.daphne import running_daphne
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient, open_session
from tests.live.restartable import RedisServer, Worker
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

SETTINGS = "tests.live.switches_settings"
OFF = "tool 'echo' is switched off by the operator of this server; try again later"


class Site:
    """Two workers that Redis joins, with one database.

    Attributes:
        redis: Joins them.
        workers: The workers.
    """

    def __init__(self, folder: Path) -> None:
        self.redis = RedisServer(folder)
        self._database = folder / "site.sqlite3"
        joined = {"REDIS_URL": self.redis.url}
        self._variables = {
            **joined,
            "CONFORMANCE_DATABASE": str(self._database),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
        }
        serve = partial(running_daphne, folder, settings=SETTINGS, extra=joined)
        self.workers = [Worker(f"worker{number}", serve) for number in range(2)]

    def switch_off(self, tool: str) -> None:
        """Switch a tool off as an operator does."""
        command = [sys.executable, "manage.py", "mcp_switch", "off", "tool", tool]
        processes.run(command, self._variables)

    def forget_switches(self) -> None:
        """Take all of them out of the table, so that no process is told."""
        with closing(sqlite3.connect(self._database, timeout=20)) as database:
            database.execute("DELETE FROM mcp_switches_switch")
            database.commit()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("switches"))
    with ExitStack() as started:
        for process in (site.redis, *site.workers):
            started.callback(process.stop)
            process.start()
        yield site


async def said_by(http: httpx2.AsyncClient, worker: Worker) -> str:
    """Call the tool, and give the text of its result."""
    result = await ModernClient(http).call(worker.url, "echo", text="hello")
    [content] = result["content"]
    return str(content["text"])


async def wait_until_said(http: httpx2.AsyncClient, site: Site, text: str) -> None:
    """Call the tool in each worker, until it says this."""
    with anyio.fail_after(PATIENCE_SECONDS):
        for worker in site.workers:
            said = await said_by(http, worker)
            while said != text:
                await anyio.sleep(0.05)
                said = await said_by(http, worker)


async def test_feature_is_off_in_all_processes_and_stays_so(site: Site) -> None:
    """We promise it: clients are told, and neither a restart nor Redis changes it.

    What is changed behind all processes they find in the table, within seconds.
    """
    async with open_http() as http:
        await wait_until_said(http, site, "hello")
        listening, posting = site.workers
        session = await open_session(http, posting.url)
        async with session.get(listening.url) as stream:
            await run_sync(site.switch_off, "echo")
            notice = await stream.receive()
            assert notice["method"] == "notifications/tools/list_changed"
        await wait_until_said(http, site, OFF)
        listed = await session.ask(posting.url, "tools/list")
        assert "echo" not in [tool["name"] for tool in listed["tools"]]

        await run_sync(site.redis.forget)
        await posting.restart()
        assert await said_by(http, posting) == OFF

        # Of this no process is told.
        await run_sync(site.forget_switches)
        await wait_until_said(http, site, "hello")
