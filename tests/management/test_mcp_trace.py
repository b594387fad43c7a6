"""`manage.py mcp_trace`."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from mcp_django.management.commands import mcp_trace
from mcp_django.tracing import stop
from mcp_django.worker.asking import Answers
from tests.consumers import shop
from tests.consumers.streamable import BOTH, call_of, headers_of, modern

urlpatterns = [*shop.server.urls("mcp")]


def run(*options: str) -> tuple[int, list[str]]:
    """Run the command, and give its status and lines."""
    out = StringIO()
    try:
        call_command("mcp_trace", *options, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def call() -> None:
    """Call a tool, over WSGI, whose worker is in a thread."""
    message = call_of("add", a=4711)
    Client().post(
        "/mcp",
        modern(message),
        content_type="application/json",
        headers={"accept": BOTH, **headers_of(message)},
    )


def test_trace_from_begin_to_end(settings: Settings, tmp_path: Path) -> None:
    """Chosen: what each worker does, its file, and how much it wrote.

    The status is 1 because no channel layer reaches other processes.
    """
    settings.ROOT_URLCONF = __name__
    settings.MCP = {"AUTHENTICATION": [], "TRACE_DIR": tmp_path}
    call()
    status, [begun, worker, warning] = run("--all", "--file", "--minutes", "2")
    id = begun.split()[1]
    assert begun == f"trace {id} runs for 2.0 minutes; mcp_trace --stop {id} ends it"
    assert f"trace {id} of everything: 0 lines to {tmp_path}/mcp-trace-{id}" in worker
    assert (status, warning[:7]) == (1, "WARNING")
    call()
    _, [listed, _] = run()
    assert f"trace {id} of everything: 2 lines" in listed
    _, [ended, _] = run("--stop", id)
    assert f"trace {id} of everything: 2 lines" in ended
    _, [none, _] = run("--stop")
    assert none == "no trace in 1 workers"
    [file] = tmp_path.iterdir()
    assert "4711" not in file.read_text()


def test_log_that_shows_nothing_is_said(settings: Settings) -> None:
    """Chosen: Django's own LOGGING shows no INFO of any but itself."""
    settings.ROOT_URLCONF = __name__
    settings.MCP = {"AUTHENTICATION": []}
    call()
    _, [_, worker, _] = run("--all")
    assert "LOGGING must send 'mcp_django.tracing' somewhere" in worker
    stop()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--file"], "say whose: --user USERNAME"),
        (["--minutes", "3"], "say whose"),
        (["--stop", "--follow"], "say whose"),
        (["--all", "--user", "ada"], "not allowed with argument"),
        (["--all", "--file", "--follow"], "not allowed with argument"),
        (["--user", "nobody"], "no user 'nobody'"),
        (["--user", ""], "no user ''"),
        (["--session", "stolen"], "no id of a session of this site"),
        (["--all", "--minutes", "61"], "60 at most"),
        (["--all", "--file"], "MCP\\['TRACE_DIR'\\] is not set"),
        (["--all", "--follow"], "there is no channel layer that joins processes"),
    ],
)
@pytest.mark.django_db
def test_what_is_wrong_is_said(options: list[str], says: str) -> None:
    """Chosen: what was given, and what would be right."""
    with pytest.raises(CommandError, match=says):
        run(*options)


def test_workers_that_cannot_are_named() -> None:
    """Chosen: also those that are silent; one that cannot begin is no success."""
    answers = Answers(silent={"specific.x": 3.2})
    problem: dict[str, Any] = {"id": "1a", "problem": "10 traces run already; stop one"}
    answers.workers.append({"host": "a", "pid": 1, "traces": [problem]})
    command = mcp_trace.Command(stdout=StringIO())
    with pytest.raises(SystemExit):
        command._tell(answers)
    assert command.stdout.getvalue().splitlines() == [
        "  a:1 trace 1a: 10 traces run already; stop one",
        "WARNING: a worker is silent, last heard of 3 s ago (specific.x)",
    ]


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    cache.clear()
