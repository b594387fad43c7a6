"""What the servers of this process have, so that a wrong name is noticed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

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
    unknown = find_unknown(kind, name, server)
    if unknown is None:
        return ""
    there = ", ".join(map(repr, unknown.alike))
    instead = f"; there is {there}" if there else ""
    if unknown.is_server:
        return f"this project has no server {server!r}{instead}"
    where = f"server {server!r} has" if server else "no server of this project has"
    no = "no" if server else "a"
    return f"{where} {no} {kind} {name!r}{instead}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that the project does not have.

    Attributes:
        name: It.
        is_server: Whether it is that of a server, and not of a feature.
        alike: Names that may have been meant, the likeliest first.
    """

    name: str
    is_server: bool
    alike: list[str]


def find_unknown(kind: str, name: str, server: str = "") -> Unknown | None:
    """Give the name, of the server or the feature, that is not here, if one is not."""
    servers = [each.name for each in all_servers()]
    if server and server not in servers:
        return Unknown(server, True, _alike(server, servers))
    known = names_of(kind, server)
    return None if name in known else Unknown(name, False, _alike(name, known))


def _features_of(server: Server, kind: str) -> Iterable[str]:
    match kind:
        case "tool":
            return server.tools
        case "prompt":
            return server.prompts
        case _:
            return server.resources


def _alike(name: str, known: list[str]) -> list[str]:
    """Name what may have been meant."""
    return difflib.get_close_matches(name, known, n=3) or known[:10]
