"""Run the servers of the matrix, then the tests on each Python and Django.

That is `make test-matrix`. Each has an environment of its own in the folder `.matrix`,
which is made once, and again when `pyproject.toml` or the pinned servers change. The
servers are installed at the versions of `servers.txt`; Apache with mod_wsgi has to be
there, and what is missing fails. Of the Pythons, those that are found are run, with
part of the tests: all of them, with all pairs, would take hours.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.commands import run, say

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".matrix"
SERVERS: Final = Path(__file__).with_name("servers.txt")
UV: Final = str(Path(sys.executable).with_name("uv"))

PYTHONS: Final = {
    "3.11": ("5.2",),
    "3.12": ("5.2", "6.0", "6.1"),
    "3.13": ("5.2", "6.0", "6.1"),
    "3.14": ("5.2", "6.0", "6.1"),
}
"""Which Django runs on which Python, of those that we support."""

DJANGO_PARTS: Final = (
    "tests/accounts",
    "tests/audit",
    "tests/auth",
    "tests/health",
    "tests/management",
    "tests/oauth/checks",
    "tests/testing",
    "tests/tokens",
    "tests/test_asgi.py",
    "tests/test_checks.py",
    "tests/test_checks_caches.py",
    "tests/test_checks_servers.py",
    "tests/test_conf.py",
    "tests/test_pages.py",
    "tests/test_rest_framework.py",
)
"""What touches Django most: run with each one."""

PYTHON_PARTS: Final = (
    "tests/bulkheads",
    "tests/consumers",
    "tests/exchanges",
    "tests/sessions",
    "tests/worker",
)
"""What touches the event loop, threads and signals: run with each Python, and with the
newest Django there is for it."""


def main() -> None:
    """Run all that was asked for; exit 1 if something failed, or is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help='"servers", or a pair such as "3.13-6.1"')
    options = parser.parse_args()
    failed = []
    for name, python, requirements, tests in _runs():
        if options.only not in (None, name):
            continue
        say(f"== {name}")
        environment = _environment(name, python, requirements)
        if not _test(environment, tests):
            failed.append(name)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _runs() -> Iterator[tuple[str, str, Sequence[str], Sequence[str]]]:
    """Give name, Python, requirements and tests of each run."""
    if shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        sys.exit("apache2 is missing: install apache2 and libapache2-mod-wsgi-py3")
    # Apache's module is for the system's Python.
    yield "servers", "/usr/bin/python3", ["-r", str(SERVERS)], ["tests/matrix"]
    for version, djangos in PYTHONS.items():
        python = _find(version)
        if python is None:
            say(f"== there is no Python {version} here")
            continue
        for django in djangos:
            is_newest = django == djangos[-1]
            parts = (*DJANGO_PARTS, *(PYTHON_PARTS if is_newest else ()))
            yield f"{version}-{django}", python, [f"django=={django}.*"], parts


def _find(version: str) -> str | None:
    """Find an interpreter, by uv's own ways or among those of pyenv."""
    command = [UV, "python", "find", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    return str(installed[-1]) if installed else None


def _environment(name: str, python: str, requirements: Sequence[str]) -> Path:
    """Give the folder of an environment, made if it is not there or no longer right."""
    folder = FOLDER / name
    made_of = hashlib.sha256(
        (ROOT / "pyproject.toml").read_bytes() + SERVERS.read_bytes()
    ).hexdigest()
    mark = folder / "made-of"
    if not mark.exists() or mark.read_text() != made_of:
        venv = [UV, "venv", "--quiet", "--clear", "--python", python, str(folder)]
        run(venv, ROOT)
        install = [
            *(UV, "pip", "install", "--quiet"),
            *("--python", str(folder / "bin" / "python")),
            *("--group", f"{ROOT / 'pyproject.toml'}:test"),
            *("--editable", f"{ROOT}[client,issuers,oauth,otel,redis]", *requirements),
        ]
        run(install, ROOT)
        mark.write_text(made_of)
    return folder


def _test(environment: Path, tests: Sequence[str]) -> bool:
    command = [str(environment / "bin" / "python"), "-m", "pytest", "-q"]
    # What a release of Django warns of is for the next one to mend.
    command += ["-p", "no:cacheprovider", "-W", "default", *tests]
    variables = {**os.environ, "MATRIX_FOLDER": str(environment)}
    done = subprocess.run(command, cwd=ROOT, env=variables, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    main()
