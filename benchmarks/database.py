"""A database for those contenders that need one: SQLite, with one user."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.live import processes

_SETTINGS = "benchmarks.sites.with_tokens"
_OAUTH_SETTINGS = "benchmarks.sites.with_oauth"
_SIGHT_SETTINGS = "benchmarks.sites.with_sight"
_USER = "reader"
_MAKE_TOKEN = f"""
import datetime, secrets
from django.contrib.auth.models import User
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, set_token_value
program, _ = Application.objects.get_or_create(
    client_id="benchmarks",
    defaults={{
        "client_type": "public",
        "authorization_grant_type": "authorization-code",
    }},
)
token = AccessToken(
    user=User.objects.get(username={_USER!r}),
    application=program,
    scope="mcp:read mcp:write",
    resource=["https://site.example/mcp"],
    expires=timezone.now() + datetime.timedelta(days=1),
)
text = secrets.token_urlsafe(32)
set_token_value(token, text)
token.save()
print(text)
"""


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


def with_sight(folder: Path) -> dict[str, str]:
    """Give the environment variables of a site where an operator sees all."""
    variables = database(folder)
    _manage(variables, "migrate", "-v", "0", settings=_SIGHT_SETTINGS)
    return {**variables, "DJANGO_SETTINGS_MODULE": _SIGHT_SETTINGS}


def with_oauth(folder: Path) -> dict[str, str]:
    """Give the environment variables of a site that gives tokens of OAuth itself."""
    return {**database(folder), "DJANGO_SETTINGS_MODULE": _OAUTH_SETTINGS}


def issue_oauth_token(folder: Path) -> str:
    """Make another access token of the user, as a program gets it."""
    variables = database(folder)
    _manage(variables, "migrate", "-v", "0", settings=_OAUTH_SETTINGS)
    make = ["shell", "-v", "0", "-c", _MAKE_TOKEN]
    return _manage(variables, *make, settings=_OAUTH_SETTINGS).splitlines()[-1]


def _manage(
    variables: dict[str, str], *arguments: str, settings: str = _SETTINGS
) -> str:
    command = [sys.executable, "manage.py", *arguments]
    named = {"DJANGO_SETTINGS_MODULE": settings}
    password = {"DJANGO_SUPERUSER_PASSWORD": "only for benchmarks"}
    output, _ = processes.run(command, {**variables, **named, **password})
    return output
