"""Where the event store keeps what: ids of events, and keys of the cache.

An event id says of what kind its stream is, also when nothing more is known of it: what
was missed of a call is lost, but of the standalone stream a client can be told that
anything may have changed. Keys contain the session's, so that no session reads the
events of another.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["call", "standalone"]

_PREFIXES: Final[Mapping[str, Kind]] = {"c.": "call", "s.": "standalone"}
_PREFIX_OF: Final[Mapping[Kind, str]] = {kind: p for p, kind in _PREFIXES.items()}
_ID = re.compile(r"([cs]\.[A-Za-z0-9_-]{1,40})-([0-9]{1,9})")


def new_stream_name(kind: Kind) -> str:
    """Name a new stream of a kind."""
    return _PREFIX_OF[kind] + secrets.token_urlsafe(9)


def kind_of_stream(name: str) -> Kind:
    """Say of what kind the stream of a name is."""
    return _PREFIXES[name[:2]]


def event_id(name: str, number: int) -> str:
    """Give the id of a stream's event."""
    return f"{name}-{number}"


def kind_of(event_id: str) -> Kind | None:
    """Say of what kind of stream an event id is; None if it is none of ours."""
    parts = _ID.fullmatch(event_id)
    return None if parts is None else kind_of_stream(parts[1])


def parse_event_id(text: str) -> tuple[str, int]:
    """Read the name of a stream and the number of an event from an event id.

    Raises:
        LookupError: It is none of ours.
    """
    parts = _ID.fullmatch(text)
    if parts is None:
        raise LookupError("no id of ours")
    return parts[1], int(parts[2])


def stream_key(session_key: str, name: str) -> str:
    """Give the key of what is noted of a stream."""
    return f"mcp_django:{session_key}:stream:{name}"


def end_key(session_key: str, name: str) -> str:
    """Give the key by which the first worker that ends a stream is known."""
    return f"mcp_django:{session_key}:end:{name}"


def event_key(session_key: str, name: str, number: int) -> str:
    """Give the key of a stream's event."""
    return f"mcp_django:{session_key}:event:{name}:{number}"


def lease_key(worker_name: str) -> str:
    """Give the key of a worker's lease."""
    return f"mcp_django:lease:{worker_name}"
