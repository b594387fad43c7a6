"""Several processes register programs at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cluster.postgres import PostgresServer, find_programs
from tests.cluster.registering import MOST
from tests.live import processes
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.cluster.registering.settings"}


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
        processes.run(command, {**SETTINGS, **environment(running, 0)})
        yield running
    finally:
        running.delete()


def environment(server: PostgresServer, seconds: int) -> dict[str, str]:
    """Say to a process where the database is, and how long clients are kept."""
    return {"REGISTERING_PORT": str(server.port), "REGISTERING_SECONDS": str(seconds)}


def register(
    server: PostgresServer, *, seconds: int, count: int, names: Sequence[str]
) -> list[list[Any]]:
    """Let a process for each kind of name register programs, all at the same time.

    Returns:
        Status and client id of each answer.
    """
    extra = processes.environment(environment(server, seconds))
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "tests.cluster.registering"),
                        *(str(count), name),
                    ],
                    cwd=processes.ROOT,
                    env=extra,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for name in names
        ]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=PATIENCE_SECONDS)[0] for process in running]
    return [answer for text in told for answer in json.loads(text)]


def count_clients(server: PostgresServer) -> int:
    """Count the rows."""
    return int(server.ask("SELECT count(*) FROM oauth2_provider_application"))


@pytest.fixture(autouse=True)
def empty(server: PostgresServer) -> None:
    """Begin without clients."""
    server.ask("DELETE FROM oauth2_provider_application")


def test_there_are_never_too_many_clients_that_may_not_be_forgotten(
    server: PostgresServer,
) -> None:
    """Chosen: no process locks out another, and all keep the bound together."""
    names = [f"{letter}{{}}" for letter in "abc"]
    answers = register(server, seconds=3600, count=20, names=names)

    statuses = [status for status, _ in answers]
    assert set(statuses) == {201, 429}
    assert 0 < count_clients(server) <= MOST
    # Those who were let in are there.
    known = server.ask(
        "SELECT string_agg(client_id, ' ') FROM oauth2_provider_application"
    )
    assert {id for status, id in answers if status == 201} == set(known.split())


def test_there_are_never_too_many_clients_where_old_ones_make_way(
    server: PostgresServer,
) -> None:
    """Chosen: forgetting at the same time neither fails nor waits for ever."""
    names = [f"{letter}{{}}" for letter in "abc"]
    answers = register(server, seconds=0, count=30, names=names)

    assert {status for status, _ in answers} <= {201, 429}
    assert sum(status == 201 for status, _ in answers) > MOST
    assert 0 < count_clients(server) <= MOST


def test_same_program_is_one_client_also_at_the_same_time(
    server: PostgresServer,
) -> None:
    """Spec: RFC 7591, section 3.2.1; chosen: for all who say the same."""
    answers = register(server, seconds=3600, count=5, names=["Claude"] * 3)

    assert {status for status, _ in answers} == {201}
    assert len({id for _, id in answers}) == 1
    assert count_clients(server) == 1
