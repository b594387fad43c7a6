"""How commands log in at a server elsewhere, as the person who runs them.

Imported only where a command is to log in: servers start faster without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from django.core.management.base import CommandError

from mcp_django.client.oauth.auth import OAuth
from mcp_django.client.oauth.clients import RegisteredClient
from mcp_django.client.oauth.file_storage import FileStorage
from mcp_django.client.oauth.loopback import LoopbackRedirect, open_browser
from mcp_django.client.oauth.redirect import Redirect
from mcp_django.management.remote import CLIENT_SECRET, LOGIN_FILE, check_login

_FOLDER: Final = "mcp_django"
_FILE: Final = "logins.json"


def oauth_for(
    url: str,
    options: Mapping[str, Any],
    *,
    tell: Callable[[str], None],
    terminal: TextIO | None,
    asks: bool = True,
) -> OAuth:
    """Give what logs in at a server, by what is kept in a file.

    Args:
        url: Of the server.
        options: Those of `remote.add_login_arguments`.
        tell: Shows a text to the person who runs the command.
        terminal: Where they type; None if that is not theirs.
        asks: Whether they can be asked to log in.

    Raises:
        CommandError: An option, or the environment, is wrong.
    """
    check_login(url, os.environ)
    redirect: Redirect | None = None
    if asks:
        redirect = LoopbackRedirect(
            tell=tell,
            browse=None if options["no_browser"] else open_browser,
            terminal=terminal,
            remedy=remedy_for(url),
        )
    try:
        return OAuth(
            storage=FileStorage(login_file(options["login_file"], os.environ)),
            redirect=redirect,
            client=_client(options["client_id"], os.environ),
            client_name="mcp_django",
        )
    except ValueError as error:
        raise CommandError(str(error)) from None


def remedy_for(url: str) -> str:
    """Say what helps where the person cannot be asked."""
    return f"run `manage.py mcp_call {url} --login` in a terminal first"


def login_file(option: str | None, environment: Mapping[str, str]) -> Path:
    """Say in which file logins are kept.

    Args:
        option: As the command line says it.
        environment: `MCP_LOGIN_FILE`, or where the system keeps what programs are set
            to.

    Raises:
        CommandError: The path is no file's.
    """
    given = option or environment.get(LOGIN_FILE)
    path = Path(given).expanduser() if given else _folder(environment) / _FILE
    if path.is_dir():
        raise CommandError(f"{str(path)!r} is a folder; name a file for logins")
    return path


def _folder(environment: Mapping[str, str]) -> Path:
    """Find the user's folder for what programs are set to.

    Spec: XDG Base Directory 0.8, "Environment variables": it has to be absolute.
    """
    name = "APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME"
    given = Path(environment.get(name, ""))
    return (given if given.is_absolute() else Path.home() / ".config") / _FOLDER


def _client(
    client_id: str | None, environment: Mapping[str, str]
) -> RegisteredClient | None:
    secret = environment.get(CLIENT_SECRET)
    if client_id is None:
        if secret:
            raise CommandError(f"{CLIENT_SECRET} is for --client-id, which is missing")
        return None
    return RegisteredClient(client_id, secret=secret or None)
