"""Finding the servers of a project: module-level names of every app's `mcp.py`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from django.apps import apps

from mcp_django.server.scopes import WORDS
from mcp_django.server.server import Server
from mcp_django.server.texts import Text


def servers() -> dict[str, Server]:
    """Give every server by its name, in the order of the installed apps.

    Two servers of one name are a system check's business; here the first wins.
    """
    found: dict[str, Server] = {}
    for server in all_servers():
        found.setdefault(server.name, server)
    return found


def all_servers() -> list[Server]:
    """Give every server once, also where two have the same name."""
    found: dict[int, Server] = {}
    for app in apps.get_app_configs():
        module = sys.modules.get(f"{app.name}.mcp")
        for value in vars(module).values() if module else ():
            if isinstance(value, Server):
                found.setdefault(id(value), value)
    return list(found.values())


def all_scopes() -> Mapping[str, Text]:
    """Give the scopes of every server, in words; of those of one name the first's."""
    found: dict[str, Text] = {}
    for server in all_servers():
        for name, words in server.scopes.items():
            found.setdefault(name, words)
    return found or WORDS
