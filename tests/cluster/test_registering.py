"""Several processes register programs at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.cluster.postgres import PostgresServer, find_programs
from tests.cluster.registering import MOST
from tests.live import processes

pytestmark = pytest.mark.live

SETTINGS: Final = "tests.cluster.registering.settings"
PROCESSES: Final = 3


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run PostgreSQL, with the tables of the site."""
    programs = find_programs()
    if programs is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed (Debian's package: postgresql)")
    assert programs is not None, "PostgreSQL is not installed"
    running = PostgresServer(programs)
    running.create()
    try:
        running.start()
        command = [sys.executable, "-m", "django", "migrate", "--skip-checks"]
        processes.run(command, environment(running))
        yield running
    finally:
        running.delete()


def environment(server: PostgresServer) -> dict[str, str]:
    """Say to a process what the site is, and where its database."""
    return {"DJANGO_SETTINGS_MODULE": SETTINGS, "REGISTERING_PORT": str(server.port)}


class Site:
    """The processes of the site.

    Args:
        processes: What has been started.
    """

    def __init__(self, running: Sequence[subprocess.Popen[str]]) -> None:
        self._running = running

    def register(self, name: str, *, seconds: int, count: int) -> list[list[Any]]:
        """Let each process register programs, all at the same time.

        Args:
            name: Of a program; "{process}" and "{}" are numbers.
            seconds: For how long no unused client is forgotten.
            count: How many programs each registers.

        Returns:
            Status and client id of each answer.
        """
        for number, process in enumerate(self._running):
            assert process.stdin is not None
            of_process = name.replace("{process}", str(number))
            asked = {"name": of_process, "seconds": seconds, "count": count}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
        told = [json.loads(read_line(process)) for process in self._running]
        return [answer for answers in told for answer in answers]


def read_line(process: subprocess.Popen[str]) -> str:
    """Read what a process writes next."""
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture(scope="module")
def site(server: PostgresServer) -> Iterator[Site]:
    """Run the processes."""
    command = [sys.executable, "-m", "tests.cluster.registering"]
    with ExitStack() as stack:
        running = []
        for _ in range(PROCESSES):
            process = subprocess.Popen(
                command,
                cwd=processes.ROOT,
                env=processes.environment(environment(server)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            running.append(process)
        assert [read_line(process) for process in running] == ["ready\n"] * PROCESSES
        yield Site(running)


def count_clients(server: PostgresServer) -> int:
    """Count the rows."""
    return int(server.ask("SELECT count(*) FROM oauth2_provider_application"))


@pytest.fixture(autouse=True)
def empty(server: PostgresServer) -> None:
    """Begin without clients."""
    server.ask("DELETE FROM oauth2_provider_application")


def test_there_are_never_too_many_clients_that_may_not_be_forgotten(
    server: PostgresServer, site: Site
) -> None:
    """Chosen: no process locks out another, and all keep the bound together."""
    answers = site.register("{process} {}", seconds=3600, count=20)

    statuses = [status for status, _ in answers]
    assert set(statuses) == {201, 429}
    assert 0 < count_clients(server) <= MOST
    # Those who were let in are there.
    known = server.ask(
        "SELECT string_agg(client_id, ' ') FROM oauth2_provider_application"
    )
    assert {id for status, id in answers if status == 201} == set(known.split())


def test_there_are_never_too_many_clients_where_old_ones_make_way(
    server: PostgresServer, site: Site
) -> None:
    """Chosen: forgetting at the same time neither fails nor waits for ever."""
    answers = site.register("{process} {}", seconds=0, count=30)

    assert {status for status, _ in answers} <= {201, 429}
    assert sum(status == 201 for status, _ in answers) > MOST
    assert 0 < count_clients(server) <= MOST


def test_same_program_is_one_client_also_at_the_same_time(
    server: PostgresServer, site: Site
) -> None:
    """Spec: RFC 7591, section 3.2.1; chosen: for all who say the same."""
    answers = site.register("Claude", seconds=3600, count=5)

    assert {status for status, _ in answers} == {201}
    assert len({id for _, id in answers}) == 1
    assert count_clients(server) == 1
