"""`seed_demo` and `demo_info`, run as `make demo` runs them."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from demo_project.library.seed_audit import MADE_UP
from tests.demo.conftest import ROOT, Demo

TABLES = ("auth_user", "library_book", "library_copy", "library_loan")

pytestmark = pytest.mark.live


def read_configurations(text: str) -> list[dict[str, Any]]:
    """Find the JSON objects in what `demo_info` prints."""
    return [
        json.loads(found) for found in re.findall(r"^\{$.*?^\}$", text, re.M | re.S)
    ]


@pytest.fixture(scope="module")
def info(demo: Demo) -> str:
    """Give what `demo_info` prints."""
    return demo.manage("demo_info", "--port", "8123")


def test_seeding_fills_the_library(demo: Demo) -> None:
    """We chose it: enough books to search and turn pages."""
    assert demo.count("library_book") > 100
    assert demo.count("library_copy") >= 2 * demo.count("library_book")
    assert demo.count("library_loan") > 0


def test_seeding_makes_up_a_past_for_the_audit_trail(demo: Demo) -> None:
    """We chose it: charts are not empty, and what was made up is told from the rest."""
    with closing(sqlite3.connect(demo.database)) as connection:
        [days] = connection.execute(
            "SELECT count(DISTINCT date(time)) FROM mcp_audit_entry "
            "WHERE credential = ?",
            [MADE_UP],
        ).fetchone()
    assert days > 30


def test_second_make_demo_keeps_data_and_token(demo: Demo) -> None:
    """We chose it: what somebody set up yesterday works today."""
    tables = (*TABLES, "mcp_tokens_token")
    before = [demo.count(table) for table in tables]
    first = demo.prepare()
    assert demo.prepare() == first
    assert [demo.count(table) for table in tables] == before


def test_seeding_again_changes_no_password_and_restores_no_book(
    demo: Demo, tmp_path: Path
) -> None:
    """We chose it: seeding adds what is missing, and never undoes what users did."""
    demo = demo.copy_to(tmp_path)
    demo.manage(
        "shell",
        "--command",
        "from django.contrib.auth.models import User\n"
        "from demo_project.library.models import Book\n"
        "User.objects.filter(username='admin').update(password='changed')\n"
        "Book.objects.exclude(copies__loans__isnull=False).last().delete()\n",
    )
    before = [demo.count(table) for table in TABLES]
    demo.prepare()
    assert [demo.count(table) for table in TABLES] == before
    passwords = demo.manage(
        "shell",
        "--command",
        "from django.contrib.auth.models import User\n"
        "print(User.objects.get(username='admin').password)\n",
    )
    assert passwords.splitlines()[-1] == "changed"


def test_seeding_is_refused_without_debug(tmp_path: Path) -> None:
    """We chose it: users whose passwords are public are for one's own machine."""
    environment = Demo(tmp_path / "demo.sqlite3").environment
    refused = subprocess.run(
        [sys.executable, "manage.py", "seed_demo"],
        cwd=ROOT,
        env=environment | {"DEMO_DEBUG": "0"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "the demo's passwords are public" in refused.stderr


def test_secret_files_are_for_their_owner_only(demo: Demo) -> None:
    """We chose it: other users of the machine read neither key nor token."""
    for name in ("secret-key", "token"):
        file = demo.database.with_name(f"{demo.database.name}-{name}")
        assert file.stat().st_mode & 0o077 == 0, name


def test_database_in_memory_leaves_no_key_behind(tmp_path: Path) -> None:
    """We chose it: what is gone with the process needs no key that stays."""
    environment = Demo(tmp_path / "demo.sqlite3").environment
    subprocess.run(
        [sys.executable, ROOT / "manage.py", "check"],
        cwd=tmp_path,
        env=environment | {"DEMO_DATABASE": ":memory:"},
        check=True,
        timeout=60,
    )
    assert not [*tmp_path.iterdir()]


def test_revoked_token_is_replaced(demo: Demo, info: str, tmp_path: Path) -> None:
    """We chose it: what `make demo` prints can be used."""
    demo = demo.copy_to(tmp_path)
    demo.manage(
        "shell",
        "--command",
        "from mcp_django.tokens.models import Token\n"
        "Token.objects.get(name='Demo').revoke()\n",
    )
    before, after = info.splitlines(), demo.prepare().splitlines()
    assert before[:2] == after[:2]
    assert before[-1] != after[-1]


def test_vs_code_configuration_names_endpoint_and_token(info: str) -> None:
    """We chose it: the form that VS Code documents for `.vscode/mcp.json`."""
    vs_code, _ = read_configurations(info)
    token = info.splitlines()[-1]
    assert vs_code == {
        "servers": {
            "library": {
                "type": "http",
                "url": "http://127.0.0.1:8123/mcp",
                "headers": {"Authorization": f"Bearer {token}"},
            }
        }
    }


def test_claude_code_command_names_endpoint_and_token(info: str) -> None:
    """We chose it: the command that Claude Code documents."""
    token = info.splitlines()[-1]
    assert (
        "claude mcp add --transport http library http://127.0.0.1:8123/mcp "
        f'--header "Authorization: Bearer {token}"'
    ) in info.splitlines()


def test_client_that_knows_oauth_needs_the_url_alone(info: str) -> None:
    """Chosen: it has its user log in; and what was allowed can be looked up."""
    lines = info.splitlines()
    assert "claude mcp add --transport http library http://127.0.0.1:8123/mcp" in lines
    site = "http://127.0.0.1:8123"
    shown = [line.split()[0] for line in lines[2:5]]
    assert shown == [f"{site}/mcp", f"{site}/mcp/connect/", f"{site}/mcp/console/"]


def test_stdio_configuration_starts_this_python(info: str, demo: Demo) -> None:
    """We chose it: the form that clients share for servers they start themselves."""
    _, stdio = read_configurations(info)
    [server] = stdio["mcpServers"].values()
    assert server == {
        "command": sys.executable,
        "args": [str(ROOT / "manage.py"), "mcp_stdio", "--user", "reader"],
        # Only because the demo of the tests is somewhere else: some clients refuse
        # variables that say what Python runs, such as PYTHONPATH.
        "env": {"DEMO_DATABASE": str(demo.database)},
    }
    assert os.access(server["command"], os.X_OK)
