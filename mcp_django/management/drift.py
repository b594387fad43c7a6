"""What servers offer as a file, and how what they offer now differs from it.

Recorded is what clients can notice: what they see of a server and its features, and
which permission and scopes these need. Left out are the versions of servers, which
change with each release, and which function answers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_django.management.described import LISTS, describe
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.server import Server

_OF_SERVER: Final = ("title", "instructions", "scopes", "loginScopes")
_NOT_SEEN: Final = frozenset({"handler", "switchedOff", "tokens"})
_KINDS: Final = dict(
    zip(LISTS, ("tool", "resource", "resource template", "prompt"), strict=True)
)
_IDENTITIES: Final = {"resources": "uri", "resourceTemplates": "uriTemplate"}
ABSENT: Final = object()
"""Stands for a value that was not there, or is there no longer."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was recorded.

    Attributes:
        server: Name of the server.
        kind: Of the feature; "" for what the server says of itself.
        name: Of the feature: its name, URI or template.
        at: Where in the feature, such as "inputSchema.properties.a"; "" for all of it.
        was: What was recorded; `ABSENT` of what is new.
        now: What is there; `ABSENT` of what is gone.
    """

    server: str
    kind: str
    name: str
    at: str
    was: Any
    now: Any

    def as_json(self) -> JSONObject:
        """Write it as JSON, without what is absent."""
        values = {"was": self.was, "now": self.now}
        return {
            "server": self.server,
            "kind": self.kind,
            "name": self.name,
            "at": self.at,
        } | {key: value for key, value in values.items() if value is not ABSENT}


def record(servers: Sequence[Server]) -> JSONObject:
    """Give what is recorded of servers, sorted by names.

    Raises:
        ValueError: Two of them have one name.
    """
    described = [describe(server) for server in servers]
    # Through JSON, as what it is compared with: it knows no tuples.
    return _recorded(json.loads(json.dumps({"servers": described})))


def read(text: str) -> JSONObject:
    """Read a record.

    Raises:
        ValueError: It is none; says why.
    """
    try:
        return _recorded(json.loads(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (TypeError, KeyError, AttributeError):
        raise ValueError("it has something else than `servers` with features") from None


def _recorded(described: JSON) -> JSONObject:
    servers = [_recorded_server(server) for server in described["servers"]]
    return {"servers": _by(servers, "name", "servers")}


def _recorded_server(described: JSONObject) -> JSONObject:
    name: str = described["name"]
    recorded: JSONObject = {"name": name}
    recorded |= {key: described[key] for key in _OF_SERVER if key in described}
    for key in LISTS:
        features = [
            {k: v for k, v in feature.items() if k not in _NOT_SEEN}
            for feature in described.get(key, ())
        ]
        kinds = f"{_KINDS[key]}s of server {name!r}"
        recorded[key] = _by(features, _IDENTITIES.get(key, "name"), kinds)
    return recorded


def _by(members: list[JSONObject], key: str, what: str) -> list[JSONObject]:
    """Sort by a member that is a name, and that no two have alike.

    Raises:
        ValueError: Two have.
        TypeError: One is no name.
    """
    for name, count in Counter(member[key] for member in members).items():
        if not isinstance(name, str):
            raise TypeError
        if count > 1:
            raise ValueError(f"{count} {what} have the {key} {name!r}")
    return sorted(members, key=lambda member: str(member[key]))


def compare(was: JSONObject, now: JSONObject) -> Iterator[Difference]:
    """Say how one record differs from another, server by server."""
    for name, old, new in _pairs(was["servers"], now["servers"], "name"):
        if old is ABSENT or new is ABSENT:
            yield Difference(name, "server", name, "", old, new)
            continue
        for at, before, after in _inside(_without_lists(old), _without_lists(new)):
            yield Difference(name, "", "", at, before, after)
        for key in LISTS:
            identity = _IDENTITIES.get(key, "name")
            for feature, before, after in _pairs(old[key], new[key], identity):
                for at, a, b in _inside(before, after):
                    yield Difference(name, _KINDS[key], feature, at, a, b)


def _without_lists(server: JSONObject) -> JSONObject:
    return {key: value for key, value in server.items() if key not in LISTS}


def _pairs(
    was: list[JSONObject], now: list[JSONObject], key: str
) -> Iterator[tuple[str, Any, Any]]:
    """Give each name with what was and is there, in the order of names."""
    old = {member[key]: member for member in was}
    new = {member[key]: member for member in now}
    for name in sorted(old.keys() | new.keys()):
        yield name, old.get(name, ABSENT), new.get(name, ABSENT)


def _inside(was: JSON, now: JSON, at: str = "") -> Iterator[tuple[str, JSON, JSON]]:
    """Give the innermost members that differ: where, what was, and what is."""
    if not (isinstance(was, Mapping) and isinstance(now, Mapping)):
        if ABSENT in (was, now) or _canonical(was) != _canonical(now):
            yield at, was, now
        return
    for key in dict.fromkeys([*was, *now]):
        inner = f"{at}.{key}" if at else key
        yield from _inside(was.get(key, ABSENT), now.get(key, ABSENT), inner)


def _canonical(value: JSON) -> str:
    """Write a value so that the order of members is the same; true is not 1 there."""
    return json.dumps(value, sort_keys=True)
