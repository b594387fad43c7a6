"""What a worker tells operators of each connection."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.connections import Entry
from mcp_django.worker.operator_ends import Ended, name_of

MOST: Final = 200
"""Connections that one worker lists: as many as one message over Redis may bring."""

_MOST_RUNNING: Final = 5
_MAX_TEXT: Final = 100
_MAX_TEXT_OF_ONE: Final = 2_000
"""Characters of a name, where one connection alone was asked for."""


def listed(entries: Iterable[Entry], worker: str, ask: JSONObject) -> JSONObject:
    """List connections: first those on which something runs, then by age.

    Args:
        entries: All of a worker, the oldest first.
        worker: Its name, with which the id of each begins.
        ask: What is asked: `list`, how many at most; `meant`, what would `end` if it
            were asked to, if it is there.

    Returns:
        `open`, the connections, and `unlisted`, how many more there are.
    """
    found = list(entries)
    longest = _MAX_TEXT
    if "meant" in ask:
        meant = Ended.of_json(ask["meant"])
        found = [entry for entry in found if _is_meant(entry, worker, meant)]
        longest = _MAX_TEXT_OF_ONE if meant.by == "connection" else _MAX_TEXT
    found.sort(key=lambda entry: not entry.connection.running)
    most = min(ask["list"], MOST)
    now = time.monotonic()
    return {
        "open": [_row(entry, worker, now, longest) for entry in found[:most]],
        "unlisted": max(0, len(found) - most),
    }


def _is_meant(entry: Entry, worker: str, meant: Ended) -> bool:
    match meant.by:
        case "connection":
            return id_of(entry, worker) in meant.names
        case "feature":
            return bool(meant.requests_of(entry.connection))
    return meant.is_opened_by(entry.connection.identity)


def id_of(entry: Entry, worker: str) -> str:
    """Name a connection among those of all workers."""
    return f"{worker}:{entry.number}"


def _row(entry: Entry, worker: str, now: float, longest: int) -> JSONObject:
    connection = entry.connection
    identity, server = connection.identity, connection.served_by
    running = connection.running
    return {
        "id": id_of(entry, worker),
        "sort": connection.sort if entry.kind == "stream" else "call",
        "seconds": round(now - entry.since, 3),
        "server": "" if server is None else server.name,
        "user": identity.owner,
        "credential": identity.label,
        "program": identity.program,
        **_of_peer(connection.peer),
        "running": [name_of(each)[:longest] for each in running[:_MOST_RUNNING]],
        "unnamed": max(0, len(running) - _MOST_RUNNING),
        "waiting": len(connection.waiting),
    }


def _of_peer(peer: Peer | None) -> JSONObject:
    if peer is None:
        return {"client": "", "client_version": "", "version": ""}
    client = peer.client_info
    return {
        "client": client.name[:_MAX_TEXT],
        "client_version": client.version[:_MAX_TEXT],
        "version": peer.version,
    }
