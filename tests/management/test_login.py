"""Commands that log in at a server elsewhere."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from django.core.management import CommandError, call_command

from mcp_django.management.logins import login_file
from tests.accounts.warehouse import Warehouse, running_warehouse
from tests.live import processes
from tests.live.stdio import running_stdio
from tests.patience import PATIENCE_SECONDS

BROWSER = f"{sys.executable} {Path(__file__).with_name('browser.py')} %s"
MANAGE = [sys.executable, "-m", "django"]
CALL = ["count_items", "item=nails"]


@pytest.fixture(scope="module")
def running() -> Iterator[Warehouse]:
    """Serve a warehouse for all tests of the module."""
    with running_warehouse() as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(running: Warehouse) -> Iterator[Warehouse]:
    """A warehouse that no user knows yet."""
    yield running
    running.forget()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logins are kept."""
    file = tmp_path / "config" / "logins.json"
    monkeypatch.setenv("MCP_LOGIN_FILE", str(file))
    return file


def environment(file: Path, browser: str = "") -> Mapping[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "MCP_LOGIN_FILE": str(file),
        "DISPLAY": "",
        "WAYLAND_DISPLAY": "",
        "BROWSER": browser,
    }


@contextmanager
def at_a_terminal(
    command: list[str], variables: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a command as a person does; give it and their keyboard."""
    keyboard, line = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=processes.ROOT,
        env=processes.environment(variables),
        stdin=line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(line)
    try:
        yield process, keyboard
    finally:
        processes.stop(process)  # type: ignore[arg-type]  # it is one of text
        os.close(keyboard)


def mcp_call(*arguments: str) -> tuple[str, str]:
    """Run it where the user cannot be asked; give what it wrote."""
    out, err = io.StringIO(), io.StringIO()
    call_command("mcp_call", *arguments, stdin=io.StringIO(), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.live
def test_person_logs_in_once_and_scripts_go_on(
    warehouse: Warehouse, file: Path
) -> None:
    """We promise it: a browser at first, and none again."""
    command = [*MANAGE, "mcp_call", warehouse.url, *CALL, "--login"]
    with at_a_terminal(command, environment(file, BROWSER)) as (process, _):
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out.strip()) == (0, "5"), err
    assert "opens in your browser" in err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    assert mcp_call(warehouse.url, *CALL, "--login")[0].strip() == "5"
    assert warehouse.logins == 1


@pytest.mark.live
def test_person_without_a_desktop_pastes_the_address(
    warehouse: Warehouse, file: Path
) -> None:
    """We promise it: a server in a rack has no browser."""
    command = [*MANAGE, "mcp_call", warehouse.url, *CALL, "--login"]
    with at_a_terminal(command, environment(file)) as (process, keyboard):
        assert process.stderr is not None
        said = ""
        while "paste that here" not in said:
            assert select.select([process.stderr], [], [], PATIENCE_SECONDS)[0]
            said += os.read(process.stderr.fileno(), 4096).decode()
        page = next(line for line in said.split() if line.startswith("http"))
        # On another machine: it does not go where it is sent.
        there = httpx2.get(page, trust_env=False)
        os.write(keyboard, there.headers["location"].encode() + b"\n")
        out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, out.strip()) == (0, "5"), said + err


@pytest.mark.live
async def test_program_over_stdio_logs_in_by_the_browser(
    warehouse: Warehouse, file: Path
) -> None:
    """We promise it: a client that knows stdio only reaches a server with OAuth."""
    options = ["--connect", warehouse.url, "--login"]
    variables = environment(file, BROWSER)
    async with running_stdio(*options, extra=variables) as client:
        await client.initialize()
        result = await client.call(1, "count_items", item="nails")

    assert result["structuredContent"] == {"result": 5}
    assert warehouse.logins == 1


def test_script_that_is_not_logged_in_is_told_what_to_run(
    warehouse: Warehouse, file: Path
) -> None:
    """Chosen: no user is there to log in, so that nothing is waited for."""
    with pytest.raises(CommandError) as caught:
        mcp_call(warehouse.url, *CALL, "--login")

    assert str(caught.value) == (
        f"a user has to log in at {warehouse.url!r}, and there is no terminal to ask "
        f"at; run `manage.py mcp_call {warehouse.url} --login` in one"
    )
    assert warehouse.logins == 0


def test_server_that_wants_a_login_is_no_riddle(
    warehouse: Warehouse, file: Path
) -> None:
    """Chosen: the option is found in the error."""
    with pytest.raises(CommandError, match="--login logs you in"):
        mcp_call(warehouse.url)


def test_logout_forgets_here_and_there(warehouse: Warehouse, file: Path) -> None:
    """We promise it: what was kept is gone, and revoked."""
    assert "There was no login." in mcp_call(warehouse.url, "--logout")[1]
    command = [*MANAGE, "mcp_call", warehouse.url, "--login"]
    with at_a_terminal(command, environment(file, BROWSER)) as (process, _):
        process.communicate(timeout=PATIENCE_SECONDS)
    assert warehouse.tokens

    assert "Logged out." in mcp_call(warehouse.url, "--logout")[1]

    assert not warehouse.tokens
    assert warehouse.url not in json.loads(file.read_text())


@pytest.mark.parametrize(
    ("arguments", "variables", "saying"),
    [
        (["{url}", "--no-browser"], {}, "--no-browser is of use with --login"),
        (["{url}", "--client-id", "a"], {}, "--client-id is of use with --login"),
        (["{url}", "--login-file", "a"], {}, "--login-file is of use with --login"),
        (["{url}", "--login"], {"MCP_TOKEN": "t"}, "two ways to say who you are"),
        (
            ["{url}", "--login"],
            {"MCP_HEADERS": '{"authorization": "Basic x"}'},
            "two ways to say who you are",
        ),
        (["{url}", "--login"], {"MCP_CLIENT_SECRET": "s"}, "for --client-id"),
        (["{url}", "--login", "--client-id", ""], {}, "client_id is empty"),
        (["{url}", "--login", "--login-file", "."], {}, "is a folder"),
        (["ws://127.0.0.1/mcp", "--login"], {}, "for http and https"),
        (["site", "--login"], {}, "for the URL of a server"),
        (["some command", "--logout"], {}, "for the URL of a server"),
    ],
)
def test_what_does_not_go_together_is_told(
    arguments: list[str],
    variables: Mapping[str, str],
    saying: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: before anything is connected."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url = "http://127.0.0.1:9/mcp"

    with pytest.raises(CommandError) as caught:
        mcp_call(*(argument.format(url=url) for argument in arguments))

    assert saying in str(caught.value)


@pytest.mark.parametrize(
    ("option", "variables", "found"),
    [
        ("/tmp/a.json", {"MCP_LOGIN_FILE": "/tmp/b.json"}, "/tmp/a.json"),
        (None, {"MCP_LOGIN_FILE": "/tmp/b.json"}, "/tmp/b.json"),
        (None, {"XDG_CONFIG_HOME": "/tmp/c"}, "/tmp/c/mcp_django/logins.json"),
        # The specification of these folders wants a relative one ignored.
        (None, {"XDG_CONFIG_HOME": "c"}, "~/.config/mcp_django/logins.json"),
        (None, {}, "~/.config/mcp_django/logins.json"),
        ("~/a.json", {}, "~/a.json"),
    ],
)
def test_file_is_where_people_look_for_it(
    option: str | None, variables: Mapping[str, str], found: str
) -> None:
    """Chosen: as other programs do. Spec: XDG Base Directory 0.8."""
    assert login_file(option, variables) == Path(found).expanduser()
