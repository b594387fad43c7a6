"""How commands reach a server elsewhere: its URL, and what the environment says.

What is secret comes from the environment and never from the command line, which other
users of the machine can read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser

TOKEN: Final = "MCP_TOKEN"
HEADERS: Final = "MCP_HEADERS"
CLIENT_SECRET: Final = "MCP_CLIENT_SECRET"
LOGIN_FILE: Final = "MCP_LOGIN_FILE"

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_SCHEMES: Final = ("http", "https", "ws", "wss")


def check_url(url: str) -> str:
    """Give a URL back that a server may have.

    Raises:
        CommandError: It is none.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise CommandError(f"{url!r:.200} is no URL: {error}") from None
    if parts.scheme.lower() not in _SCHEMES or not host:
        raise CommandError(
            f"{url!r:.200} is no URL of a server; give one such as "
            f"https://example.com/mcp (of {', '.join(_SCHEMES)})"
        )
    return url


def headers_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Read the headers for a server.

    Args:
        environment: `MCP_HEADERS` is a JSON object of names and values, `MCP_TOKEN` a
            token for `Authorization: Bearer`, which goes before.

    Raises:
        CommandError: One of them is something else; its value is not shown.
    """
    headers: dict[str, str] = {}
    if text := environment.get(HEADERS):
        try:
            given = json.loads(text)
        except ValueError as error:
            raise CommandError(f"{HEADERS} is no JSON: {error}") from None
        if not isinstance(given, dict) or not all(
            isinstance(value, str) for value in given.values()
        ):
            raise CommandError(
                f"{HEADERS} must be a JSON object of names and texts, such as "
                '{"X-Team": "blue"}'
            )
        headers = given
    if token := environment.get(TOKEN):
        names = [name for name in headers if name.lower() == "authorization"]
        for name in names:
            del headers[name]
        headers["Authorization"] = f"Bearer {token.strip()}"
    for name, value in headers.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise CommandError(
                f"{TOKEN} or {HEADERS}: header {name[:100]!r} has characters that HTTP "
                "forbids, such as a line end"
            )
    return headers


# Logging in, as far as it needs no library -----------------------------------------


def add_login_arguments(parser: CommandParser) -> None:
    """Add the options of commands that log in at a server."""
    parser.add_argument(
        "--login",
        action="store_true",
        help="log in at the server, in a browser; what it gives is kept, so that you "
        "are asked once",
    )
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="with --login: open no browser, but show the address",
    )
    parser.add_argument(
        "--client-id",
        metavar="ID",
        help="with --login: as whom the server's makers know this program, with the "
        f"secret of {CLIENT_SECRET} in the environment; without it, it registers",
    )
    parser.add_argument(
        "--login-file",
        metavar="PATH",
        help=f"with --login: where logins are kept, in place of {LOGIN_FILE} in the "
        "environment and of your configuration folder",
    )


def check_login_options(options: Mapping[str, Any], *others: str) -> None:
    """Refuse options that do nothing without `--login`.

    Args:
        options: Those of `add_login_arguments`.
        others: More options that stand for it, such as "logout".

    Raises:
        CommandError: There is one.
    """
    if any(options[name] for name in ("login", *others)):
        return
    for name in ("no_browser", "client_id", "login_file"):
        if options[name]:
            option = name.replace("_", "-")
            raise CommandError(f"--{option} is of use with --login only")


def check_login(url: str, environment: Mapping[str, str]) -> None:
    """Refuse a login where there is none, or where other credentials are given.

    Raises:
        CommandError: It is so.
    """
    if urlsplit(check_url(url)).scheme.lower() not in ("http", "https"):
        raise CommandError("--login is for http and https; a WebSocket takes MCP_TOKEN")
    headers = headers_from(environment)
    if "authorization" in map(str.lower, headers):
        raise CommandError(
            f"--login and {TOKEN} (or Authorization in {HEADERS}) are two ways to say "
            "who you are; leave one out"
        )
