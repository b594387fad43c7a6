"""What `make demo` installs, asks for before it does anything else, and shows."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from demo_project.port import why_not
from tests.demo.conftest import Demo

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = [f"--assume-old=.venv/{done}" for done in (".demo-installed", ".installed")]

LOADED = """
import sys
from importlib.metadata import packages_distributions

import demo_project.asgi

known = packages_distributions()
names = {name.partition(".")[0] for name in sys.modules}
found = [known[name] for name in names & known.keys()]
print(*{owners[0] for owners in found if len(owners) == 1})
"""


def test_port_in_use_is_said_to_be() -> None:
    """We chose it: before migrating, and not by a traceback of the server's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        assert why_not(str(port)) == (
            f"port {port} of 127.0.0.1 cannot be had: address already in use; take "
            "another one, such as PORT=8080"
        )

    assert why_not(str(port)) is None


@pytest.mark.parametrize("text", ["", "web", "0", "65536", "-1", "80 80", "\u0668"])
def test_port_that_is_none_is_refused(text: str) -> None:
    """We chose it: so is a slip."""
    assert why_not(text) == (f"PORT={text} is no port; give a number from 1 to 65535")


@pytest.mark.parametrize("target", ["demo", "cluster", "conformance-server"])
def test_make_asks_for_the_port_first(target: str) -> None:
    """We chose it: nothing has happened when the answer is no."""
    made = subprocess.run(
        ["make", "--dry-run", *INSTALLED, target, "PORT=8123"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    commands = [line for line in made.stdout.splitlines() if "/bin/" in line]
    assert commands[0] == ".venv/bin/python -m demo_project.port 8123"
    assert "migrate" in commands[1]


def test_demo_needs_nothing_that_only_tests_need(demo: Demo) -> None:
    """We promise it: `make demo` installs a third of what `make install` does."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = [*groups["test"], *groups["dev"]]
    names = {re.split(r"[^\w-]", text)[0] for text in wanted if isinstance(text, str)}

    loaded = set(demo.run("-c", LOADED).split())

    assert "channels" in loaded
    # The second is brought by django-oauth-toolkit, too.
    assert not loaded & (names - {"mcp-django-channels", "jwcrypto"})


def test_command_that_the_demo_shows_runs_as_it_stands_there(demo: Demo) -> None:
    """We promise it: it is pasted into a terminal."""
    shown = demo.manage("demo_info", "--port", "8123")
    [command] = [line for line in shown.splitlines() if "mcp_config" in line]
    python, *arguments = shlex.split(command)

    assert python == sys.executable
    assert "http://127.0.0.1:8123/mcp" in demo.run(*arguments)
