"""A database for those contenders that need one: SQLite, with one user."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.live import processes

_SETTINGS = "benchmarks.sites.with_tokens"
_USER = "reader"


def database(folder: Path) -> dict[str, str]:
    """Give the environment variables that name the database, made once for a folder."""
    path = folder / "site.sqlite3"
    variables = {"CONFORMANCE_DATABASE": str(path)}
    if not path.exists():
        _manage(variables, "migrate", "-v", "0")
        who = ["--username", _USER, "--email", "reader@example.com"]
        _manage(variables, "createsuperuser", "--noinput", *who)
    return variables


def with_tokens(folder: Path) -> dict[str, str]:
    """Give the environment variables of a site that wants tokens."""
    return {**database(folder), "DJANGO_SETTINGS_MODULE": _SETTINGS}


def issue_token(folder: Path) -> str:
    """Issue another token of the user."""
    create = ["mcp_token", "create", _USER, "--name", "benchmarks"]
    return _manage(database(folder), *create).splitlines()[-1]


def _manage(variables: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    settings = {"DJANGO_SETTINGS_MODULE": _SETTINGS}
    password = {"DJANGO_SUPERUSER_PASSWORD": "only for benchmarks"}
    output, _ = processes.run(command, {**variables, **settings, **password})
    return output
