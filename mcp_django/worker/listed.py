"""What a worker tells operators of each connection."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.connections import Entry
from mcp_django.worker.operator_ends import name_of

MOST: Final = 200
"""Connections that one worker lists: as many as one message over Redis may bring."""

_MOST_RUNNING: Final = 5
_MAX_TEXT: Final = 100


def listed(entries: Iterable[Entry], worker: str, ask: JSONObject) -> JSONObject:
    """List connections: first those on which something runs, then by age.

    Args:
        entries: All of a worker, the oldest first.
        worker: Its name, with which the id of each begins.
        ask: What is asked: `list`, how many at most; `owner`, whose, if it is there.

    Returns:
        `open`, the connections, and `unlisted`, how many more there are.
    """
    owner = ask.get("owner")
    meant = [
        entry
        for entry in entries
        if owner is None or entry.connection.identity.owner == owner
    ]
    meant.sort(key=lambda entry: not entry.connection.running)
    most = min(ask["list"], MOST)
    now = time.monotonic()
    return {
        "open": [_row(entry, worker, now) for entry in meant[:most]],
        "unlisted": max(0, len(meant) - most),
    }


def id_of(entry: Entry, worker: str) -> str:
    """Name a connection among those of all workers."""
    return f"{worker}:{entry.number}"


def _row(entry: Entry, worker: str, now: float) -> JSONObject:
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
        "running": [name_of(each)[:_MAX_TEXT] for each in running[:_MOST_RUNNING]],
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
