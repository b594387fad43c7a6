"""What the servers of this process have, so that a wrong name is noticed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mcp_django.server.discovery import all_servers
from mcp_django.server.server import Server


def names_of(kind: str, server: str = "") -> list[str]:
    """Give the names of all features of a kind, of one server or of all."""
    found: dict[str, None] = {}
    for each in all_servers():
        if server in ("", each.name):
            found.update(dict.fromkeys(_features_of(each, kind)))
    return list(found)


def doubt_of(kind: str, name: str, server: str = "") -> str:
    """Say why a feature may be misspelled; "" if the project has it.

    It may all the same be right: what other processes serve need not be here.
    """
    servers = [each.name for each in all_servers()]
    if server and server not in servers:
        return f"this project has no server {server!r}{_instead(server, servers)}"
    known = names_of(kind, server)
    if name in known:
        return ""
    where = f"server {server!r} has" if server else "no server of this project has"
    no = "no" if server else "a"
    return f"{where} {no} {kind} {name!r}{_instead(name, known)}"


def _features_of(server: Server, kind: str) -> Iterable[str]:
    match kind:
        case "tool":
            return server.tools
        case "prompt":
            return server.prompts
        case _:
            return server.resources


def _instead(name: str, known: list[str]) -> str:
    """Name what may have been meant."""
    close = difflib.get_close_matches(name, known, n=3) or known[:10]
    return f"; there is {', '.join(map(repr, close))}" if close else ""
