"""The port that `make demo` asks for before it does anything else."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from demo_project.port import why_not

ROOT = Path(__file__).resolve().parents[2]


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
        ["make", "--dry-run", "--assume-old=.venv/.installed", target, "PORT=8123"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    commands = [line for line in made.stdout.splitlines() if "/bin/" in line]
    assert commands[0] == ".venv/bin/python -m demo_project.port 8123"
    assert "migrate" in commands[1]
