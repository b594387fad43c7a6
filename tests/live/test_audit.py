"""The audit trail in a real PostgreSQL: from a request over HTTP into its table."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.postgres import DATABASE, USER, PostgresServer, find_programs
from tests.live import processes
from tests.live.daphne import APPLICATION, Daphne, serving
from tests.live.processes import wait_until
from tests.live.raw import open_http
from tests.live.raw_http import ModernClient
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

QUEUE = 20
SETTINGS = """
from tests.live.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "mcp_django.audit"]
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql",
    "NAME": {name!r}, "USER": {user!r}, "HOST": "127.0.0.1", "PORT": {port},
}}}}
# The database is asked for the trail alone, once the token is known: from the first
# call on, where no channel layer has to be open for others to tell of changes.
CHANNEL_LAYERS = {{}}
MCP = {{**MCP, "AUDIT_QUEUE": {queue}, "CREDENTIAL_CACHE_SECONDS": 600}}
"""
ISSUE = """
from django.contrib.auth.models import User
from mcp_django.tokens.models import Token
token, text = Token.issue(User.objects.create_user("ann"), "audit")
print(token.pk, text)
"""
FORK = """
import os
from mcp_django.audit.recorder import writer
from tests.audit.test_writer import entry
writer.add(entry("of the parent"))
child = os.fork()
if not child:
    writer.add(entry("of the child"))
    writer.close()
    os._exit(0)
os.waitpid(child, 0)
"""
COUNT = """
from datetime import timedelta
from django.utils import timezone
from mcp_django.audit.figures import Figures
from mcp_django.audit.models import Entry
from mcp_django.audit.periods import Period
from mcp_django.audit.use import use_of_features
since = timezone.now() - timedelta(days=7)
Entry.objects.bulk_create(
    Entry(
        time=since + timedelta(hours=number), server="shop", method="tools/call",
        feature_kind="tool", feature="sell", seconds=number / 100,
        outcome="answered" if number % 4 else "refused",
        reason="" if number % 4 else "no",
    )
    for number in range(1, 101)
)
found = Figures.of(Entry.objects.all(), Period("week", since))
[why] = found.reasons
bars = [each.counts.requests for each in found.intervals]
print(*sorted(found.total.outcomes.items()), why.reason, why.count)
print(max(bars), sum(bars), round(found.total.median, 1))
print(use_of_features(since).of("shop", "tool", "sell").refused)
print(use_of_features(since, limit=10).of("shop", "tool", "sell").calls)
"""


class Trail:
    """A site whose audit trail is in PostgreSQL.

    Attributes:
        postgres: Has the trail.
        extra: Environment variables of the site's processes.
        token_id: Primary key of a token.
        token: Its text.
    """

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        self.postgres = postgres
        self._folder = folder
        self._count = 0
        settings = folder / "audit_settings.py"
        named = {"name": DATABASE, "user": USER, "port": postgres.port, "queue": QUEUE}
        settings.write_text(SETTINGS.format(**named))
        path = os.pathsep.join([str(folder), str(processes.ROOT)])
        self.extra = {"DJANGO_SETTINGS_MODULE": settings.stem, "PYTHONPATH": path}
        self.manage("migrate", "-v", "0")
        self.token_id, self.token = self.manage("shell", "-v", "0", "-c", ISSUE).split()

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return processes.run(command, self.extra)[0]

    def serve(self) -> AbstractContextManager[Daphne]:
        """Serve the site with Daphne, whose log begins anew."""
        self._count += 1
        log = self._folder / f"daphne{self._count}.log"
        return serving(APPLICATION, log=log, extra=self.extra)

    def clear(self) -> None:
        self.postgres.ask("TRUNCATE mcp_audit_entry")

    def entries(self, what: str = "count(*)") -> str:
        """Ask for something of the entries."""
        return self.postgres.ask(f"SELECT {what} FROM mcp_audit_entry")


@pytest.fixture(scope="module")
def module_trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    programs = find_programs()
    if not programs and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed")
    assert programs, "PostgreSQL is not installed (Debian's package: postgresql)"
    postgres = PostgresServer(programs)
    postgres.create()
    try:
        postgres.start()
        yield Trail(tmp_path_factory.mktemp("audit"), postgres)
    finally:
        postgres.delete()


@pytest.fixture
def trail(module_trail: Trail) -> Trail:
    module_trail.clear()
    return module_trail


async def call(trail: Trail, daphne: Daphne, times: int = 1) -> None:
    """Call a tool so often; each call is answered at once."""
    async with open_http({"Authorization": f"Bearer {trail.token}"}) as http:
        client = ModernClient(http)
        for _ in range(times):
            with anyio.fail_after(PATIENCE_SECONDS):
                async with client.open(
                    daphne.url,
                    "tools/call",
                    {"name": "add", "arguments": {"a": 1, "b": 2}},
                ) as answer:
                    message = await answer.receive()
            assert "result" in message, message


async def test_request_is_in_the_table_with_its_user_and_credential(
    trail: Trail,
) -> None:
    """We promise it: a clean stop right after it loses nothing."""
    with trail.serve() as daphne:
        await call(trail, daphne, 3)

    assert trail.entries() == "3"
    assert trail.entries(
        "DISTINCT concat_ws(' ', method, feature_kind, feature, username, credential, "
        "protocol_version, address, outcome)"
    ) == (
        f"tools/call tool add ann token {trail.token_id} 2026-07-28 127.0.0.1 answered"
    )


async def test_entries_wait_for_a_database_that_was_killed(trail: Trail) -> None:
    """We promise it: what fits the queue is written when it is back; both is said."""
    with trail.serve() as daphne:
        await call(trail, daphne)
        wait_until(lambda: trail.entries() == "1")
        trail.postgres.kill()
        await call(trail, daphne, QUEUE // 2)
        wait_until(lambda: "the database of the audit trail does not" in log_of(daphne))
        trail.postgres.start()

        wait_until(lambda: trail.entries() == f"{1 + QUEUE // 2}")
        wait_until(lambda: "audit trail answers again" in log_of(daphne))


async def test_hanging_database_costs_no_more_than_the_queue(trail: Trail) -> None:
    """We promise it: further ones are dropped, and said; and no call waits."""
    with trail.serve() as daphne:
        await call(trail, daphne)
        wait_until(lambda: trail.entries() == "1")
        trail.postgres.freeze()
        try:
            await call(trail, daphne, QUEUE + 15)
        finally:
            trail.postgres.thaw()

        wait_until(lambda: trail.entries() == f"{1 + QUEUE}")
    assert "an entry of the audit trail is dropped" in log_of(daphne)


async def test_end_with_a_hanging_database_says_what_is_lost(trail: Trail) -> None:
    """We promise it: the process ends in time all the same."""
    with trail.serve() as daphne:
        await call(trail, daphne)
        wait_until(lambda: trail.entries() == "1")
        trail.postgres.freeze()
        try:
            await call(trail, daphne, 5)
            daphne.process.send_signal(signal.SIGTERM)
            await run_sync(daphne.process.wait, PATIENCE_SECONDS)
        finally:
            trail.postgres.thaw()

    assert "an entry of the audit trail is lost: the process ends" in log_of(daphne)
    assert "look at the database (4 more like it in the last minute)" in log_of(daphne)


def test_process_that_is_forked_writes_its_own_entries(trail: Trail) -> None:
    """We promise it: as gunicorn forks one that has loaded the site."""
    trail.manage("shell", "-v", "0", "-c", FORK)

    assert trail.entries("string_agg(feature, ',' ORDER BY feature)") == (
        "of the child,of the parent"
    )


def test_chart_and_use_are_counted_by_postgresql(trail: Trail) -> None:
    """We promise it: as by SQLite, though databases do not agree on times."""
    assert trail.manage("shell", "-v", "0", "-c", COUNT).splitlines() == [
        "('answered', 75) ('refused', 25) no 25",
        "3 100 0.5",
        "25",
        "10",
    ]


def log_of(daphne: Daphne) -> str:
    return daphne.log.read_text()
