"""How commands reach a server elsewhere: its URL, and what the environment says.

What is secret comes from the environment and never from the command line, which other
users of the machine can read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from django.core.management.base import CommandError

TOKEN: Final = "MCP_TOKEN"
HEADERS: Final = "MCP_HEADERS"

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
