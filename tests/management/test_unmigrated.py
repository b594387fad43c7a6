"""Commands in a project whose database is still empty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import io, json, sys
import django
from django.core.management import CommandError, call_command

django.setup()
said = {}
for line in json.load(sys.stdin):
    try:
        call_command(*line, stdout=io.StringIO())
    except CommandError as error:
        said[" ".join(line)] = str(error)
with open(sys.argv[1], "w") as file:  # mcp_stdio takes standard output.
    json.dump(said, file)
"""

COMMANDS = {
    "mcp_token create reader --name Laptop": "auth_user",
    "mcp_token list": "mcp_tokens_token",
    "mcp_token revoke 1": "mcp_tokens_token",
    "mcp_call library --user reader": "auth_user",
    "mcp_stdio --user reader": "auth_user",
    "seed_demo": "auth_user",
    "demo_info": "auth_user",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the commands in a process of the demo's, and give the errors of each."""
    directory = tmp_path_factory.mktemp("empty")
    subprocess.run(
        [sys.executable, "-c", PROGRAM, directory / "said.json"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_project.settings",
            "DEMO_DATABASE": str(directory / "demo.sqlite3"),
        },
        input=json.dumps([line.split() for line in COMMANDS]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    errors: dict[str, str] = json.loads((directory / "said.json").read_text())
    return errors


@pytest.mark.parametrize(("line", "table"), COMMANDS.items())
def test_command_before_migrate_says_what_to_run(
    said: dict[str, str], line: str, table: str
) -> None:
    """Chosen: a line in place of a traceback."""
    assert said[line] == (
        f"the database lacks migrations (no such table: {table}); run migrate first"
    )
