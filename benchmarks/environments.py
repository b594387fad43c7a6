"""Virtual environments of the other packages, at the versions that are compared.

Each is made when it is first needed, and kept outside the project in
`mcp_django-benchmarks` of the user's cache (`XDG_CACHE_HOME`). Another pin makes
another one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

# What `uvicorn[standard]` adds is three times as fast as what it does without.
UVICORN = ("uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0")

PINS = {
    "sdk": ("mcp==2.3.0", *UVICORN),
    "fastmcp": ("fastmcp==4.2.3", *UVICORN),
    "django-mcpz": ("django-mcpz==1.2.0", "django==5.2.19", "gunicorn==27.0.1"),
    "py-spy": ("py-spy==0.4.3",),
}


def own_versions() -> str:
    """Say in one line what ours runs on."""
    packages = ("django", "channels", "daphne", "twisted", "pydantic", "mcp-types")
    versions = [f"{name} {version(name)}" for name in packages]
    return ", ".join([f"Python {platform.python_version()}", *versions, *UVICORN])


def python_of(name: str) -> str:
    """Give the interpreter of the environment of this name."""
    return str(_made(name) / "bin" / "python")


def py_spy() -> str:
    """Give the program that samples where another process is."""
    return str(_made("py-spy") / "bin" / "py-spy")


def uvicorn_path() -> str:
    """Give a folder with uvicorn, for `PYTHONPATH`: to serve what is installed here."""
    folder = _folder("uvicorn", UVICORN)
    install = ["install", "--target", str(folder)]
    _make_once(folder, [[*_pip(sys.executable), *install, *UVICORN]])
    return str(folder)


def _made(name: str) -> Path:
    folder = _folder(name, PINS[name])
    python = str(folder / "bin" / "python")
    _make_once(
        folder,
        [
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [*_pip(python), "install", *PINS[name]],
        ],
    )
    return folder


def _folder(name: str, pins: Sequence[str]) -> Path:
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(" ".join(pins).encode()).hexdigest()[:8]
    return cache_home / "mcp_django-benchmarks" / f"{name}-{digest}-python-{python}"


def _make_once(folder: Path, commands: Sequence[Sequence[str]]) -> None:
    done = folder / "installed"
    if done.exists():
        return
    sys.stdout.write(f"  making the environment {folder.name}\n")
    sys.stdout.flush()
    for command in commands:
        subprocess.run(command, check=True, timeout=600, stderr=subprocess.DEVNULL)
    done.touch()


def _pip(python: str) -> list[str]:
    return [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
