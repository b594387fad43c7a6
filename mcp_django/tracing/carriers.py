"""What carries a message says whose it is, by which binding, and in which session."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from mcp_django.auth.interface import Identity
from mcp_django.transports.base import Transport
from mcp_django.worker.addresses import unseal_address

_STREAMABLE: Final = "streamable-http"
_DIGITS: Final = 12
_SHORT: Final = re.compile(r"s-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose a message is.

    Attributes:
        binding: "streamable-http", "sse", "websocket", "stdio" or "custom"; or "relay",
            from another worker.
        user: The primary key of the user as text; "" for one without, None while no
            user is known.
        session: Short name of the session; None outside of one.
        method: Of the HTTP request; "" where there is none.
    """

    binding: str
    user: str | None
    session: str | None
    method: str = ""


class _HTTPCarrier(Protocol):
    """An exchange of `consumers`, which a server over stdio does without."""

    binding: str
    identity: Identity | None
    session_id: str
    scope: Mapping[str, Any]

    def query(self, name: str) -> str | None: ...


def whose_is(carrier: object) -> Whose | None:
    """Say whose a message is; None if a trace is not about what carries it.

    Args:
        carrier: As the tap shows it.
    """
    match carrier:
        case object(binding=str() as binding, scope=_) if binding:
            return _of_exchange(cast(_HTTPCarrier, carrier))
        case Transport(owner=str() as user):
            return Whose(carrier.binding, user, None)
        case {"kind": "post", "session": id, "owner": user}:
            return Whose("relay", user, _short_of_address(id))
        case {"kind": "answer", "session": key, "owner": user}:
            return Whose("relay", user, _short(key))
    return None


def short_name(session: str) -> str:
    """Give the short name of a session: it says which one, and opens none.

    Args:
        session: Its id, as a client has it; or its short name.

    Raises:
        ValueError: It is no id of a session here, or it has expired.
    """
    if _SHORT.fullmatch(session):
        return session
    short = _short_of_session_id(session) or _short_of_address(session)
    if short is None:
        raise ValueError(
            "this is no id of a session of this site, or one that has expired; give "
            "it as the client has it, or its short name, such as 's-0123456789ab'"
        )
    return short


def _of_exchange(exchange: _HTTPCarrier) -> Whose:
    user = None if exchange.identity is None else exchange.identity.owner
    return Whose(
        exchange.binding, user, _session_of(exchange), exchange.scope["method"]
    )


def _session_of(exchange: _HTTPCarrier) -> str | None:
    id = exchange.session_id
    if exchange.binding == _STREAMABLE:
        # Not from `headers`: a stream has dropped them.
        for name, value in exchange.scope["headers"]:
            if name.lower() == b"mcp-session-id" and not id:
                id = value.decode("latin-1")
        return _short_of_session_id(id) if id else None
    return _short_of_address(id or exchange.query("session_id"))


def _short_of_session_id(id: str) -> str | None:
    # A server over stdio starts without what serves HTTP.
    from mcp_django.exchanges.session_id import read_session_id

    session = read_session_id(id)
    return None if session is None else _short(session.key)


def _short_of_address(id: str | None) -> str | None:
    try:
        return _short(unseal_address("session", id).name)
    except ValueError:
        return None


def _short(key: str) -> str:
    return f"s-{hashlib.sha256(key.encode()).hexdigest()[:_DIGITS]}"
