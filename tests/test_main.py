"""`python -m mcp_django stdio` and `manage.py mcp_stdio`, as programs start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

USAGE = "usage: python -m mcp_django stdio [-h] [--server NAME] [--user USERNAME]"

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

MODULE = ["-m", "mcp_django", "stdio"]

NOISE = "import os, subprocess; print({0!r}); "
LOUD_NOISE = (
    NOISE + "print({0!r}, flush=True); os.write(1, b'{0}\\n'); "
    "subprocess.run(['echo', {0!r}])"
)

SETTINGS = """
{noise}
SECRET_KEY = "noise"
INSTALLED_APPS = [
    "early",
    "mcp_django",
    "late",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
LOGGING = {{
    "version": 1,
    "handlers": {{"out": {{"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}}},
    "root": {{"handlers": ["out"], "level": "DEBUG"}},
}}
"""

LATE_MCP = """
{noise}
import logging
from mcp_django import Server

server = Server("noisy")
logging.error("by a handler of standard output")
"""

MANAGE = """
import os, sys
{noise}
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "noisy_settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


def run(
    arguments: Sequence[str], folder: Path, text: str = "", settings: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, without the settings of this test suite."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED")
    }
    if settings is not None:
        environment["DJANGO_SETTINGS_MODULE"] = settings
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write_project(folder: Path, early_noise: str) -> None:
    """Write a project whose files print what they can while they are imported."""

    def noise(name: str, pattern: str = LOUD_NOISE) -> str:
        return pattern.format(f"noise of {name}")

    (folder / "manage.py").write_text(
        MANAGE.format(noise=noise("manage.py", early_noise))
    )
    (folder / "noisy_settings.py").write_text(
        SETTINGS.format(noise=noise("settings", early_noise))
    )
    for app in ("early", "late"):
        (folder / app).mkdir()
    (folder / "early" / "__init__.py").write_text(noise("early", early_noise))
    (folder / "late" / "__init__.py").write_text(noise("late"))
    (folder / "late" / "mcp.py").write_text(LATE_MCP.format(noise=noise("mcp.py")))


# Noise --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "settings", "early_noise"),
    [
        ("manage.py", None, NOISE),
        ("module", "noisy_settings", LOUD_NOISE),
        ("options", None, LOUD_NOISE),
    ],
)
def test_output_is_messages_alone(
    tmp_path: Path, form: str, settings: str | None, early_noise: str
) -> None:
    """We promise it: for manage.py, also of what is printed before mcp_django is
    imported, unless it is written through at once."""
    write_project(tmp_path, early_noise)
    arguments = {
        "manage.py": [str(tmp_path / "manage.py"), "mcp_stdio"],
        "module": MODULE,
        "options": [
            *MODULE,
            "--settings=noisy_settings",
            "--pythonpath",
            str(tmp_path),
        ],
    }[form]
    folder = tmp_path if form == "module" else tmp_path.parent

    ran = run(arguments, folder, json.dumps(PING), settings)

    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {"jsonrpc": "2.0", "id": 1, "result": {}}
    ]
    for name in ("settings", "early", "late", "mcp.py"):
        assert f"noise of {name}" in ran.stderr
    assert "by a handler of standard output" in ran.stderr
    assert ran.returncode == 0


# Start ---------------------------------------------------------------------------

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}

UNUSED = (
    "daphne",
    "django.test",
    "httpx2",
    "mcp_django.asgi",
    "mcp_django.bridge",
    "mcp_django.checks",
    "mcp_django.client",
    "mcp_django.consumers",
    "mcp_django.exchanges",
    "mcp_django.testing",
    "mcp_django.transports.client",
    "twisted",
    "websockets",
)
"""What no server over stdio needs, and what would make it start more slowly."""


@pytest.mark.parametrize("arguments", [MODULE, ["manage.py", "mcp_stdio"]])
def test_start_imports_nothing_that_is_not_used(
    tmp_path: Path, arguments: list[str]
) -> None:
    """We promise it: clients start servers while their users wait."""
    write_project(tmp_path, "")

    ran = run(
        ["-X", "importtime", *arguments],
        tmp_path,
        json.dumps(INITIALIZE),
        "noisy_settings",
    )

    assert '"id":1' in ran.stdout
    imported = {
        line.rpartition("|")[2].strip()
        for line in ran.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "mcp_django.sessions.stdio" in imported
    assert [name for name in sorted(imported) if name.startswith(UNUSED)] == []


# Help and mistakes --------------------------------------------------------------


@pytest.mark.parametrize("settings", [None, "nowhere.settings"])
def test_help_needs_no_settings(tmp_path: Path, settings: str | None) -> None:
    """Chosen: and it is on standard output, where people look for it."""
    ran = run([*MODULE, "--help"], tmp_path, settings=settings)

    assert ran.returncode == 0
    assert ran.stdout.startswith(USAGE)
    assert "--connect URL" in ran.stdout
    assert ran.stderr == ""


def test_help_of_manage_py_is_on_standard_output(tmp_path: Path) -> None:
    """Chosen: as of any command."""
    write_project(tmp_path, "")

    ran = run(["manage.py", "mcp_stdio", "--help"], tmp_path)

    assert "usage: manage.py mcp_stdio" in ran.stdout


@pytest.mark.parametrize("arguments", [[], ["serve"], ["--help"]])
def test_usage_says_what_there_is(tmp_path: Path, arguments: list[str]) -> None:
    """Chosen: with success only for who asked for it."""
    ran = run(["-m", "mcp_django", *arguments], tmp_path)

    said = ran.stdout if arguments == ["--help"] else ran.stderr
    assert ran.returncode == (0 if arguments == ["--help"] else 1)
    assert said.startswith("usage: python -m mcp_django stdio")


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (
            None,
            [],
            "DJANGO_SETTINGS_MODULE is not set; name the settings of the project in "
            "it, or with --settings, such as mysite.settings",
        ),
        (
            "nowhere.settings",
            [],
            "cannot set Django up with the settings 'nowhere.settings': No module "
            "named 'nowhere'",
        ),
        (
            None,
            ["--settings", "nowhere.settings"],
            "cannot set Django up with the settings 'nowhere.settings': No module "
            "named 'nowhere'",
        ),
        (
            "broken",
            [],
            "cannot set Django up with the settings 'broken': No module named "
            "'no_such_app'",
        ),
    ],
)
def test_missing_or_wrong_settings_are_one_line(
    tmp_path: Path, settings: str | None, options: list[str], message: str
) -> None:
    """Chosen: clients show the last line, or the first."""
    (tmp_path / "broken.py").write_text('INSTALLED_APPS = ["no_such_app"]')

    ran = run([*MODULE, *options], tmp_path, settings=settings)

    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"{message}\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--connect"], "argument --connect: expected one argument"),
        (["--connect=https://a.example/mcp", "--nowhere"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_answered_with_the_usage(
    tmp_path: Path, options: list[str], message: str
) -> None:
    """Chosen: by the name that was typed."""
    ran = run([*MODULE, *options], tmp_path)

    assert ran.returncode == 2
    assert ran.stderr.startswith(USAGE)
    assert f"python -m mcp_django stdio: error: {message}" in ran.stderr
