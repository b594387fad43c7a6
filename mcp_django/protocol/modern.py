"""The server's half of the modern era: each request says all that it needs.

There is no handshake and no session: a request names its protocol version, its client
and what that can do in `_meta`, and nothing is remembered for the next one.

Spec: 2026-07-28 basic, "`_meta`"; basic/versioning; basic/patterns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeVar

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    HEADER_MISMATCH,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
    ClientCapabilities,
    Implementation,
)
from mcp_types.jsonrpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import jsonrpc, methods, versions
from mcp_django.protocol.events import (
    Answered,
    Event,
    Notified,
    Peer,
    RequestReceived,
)
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.http_headers import (
    BLANKS,
    ENCODED,
    MAX_SHOWN,
    decode_header,
)
from mcp_django.protocol.http_statuses import refusal_of
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.protocol.log_levels import LOG_LEVELS
from mcp_django.protocol.models import read_as
from mcp_django.protocol.pending_requests import PendingRequests, used_twice

_ONLY_HERE: Final = methods.MODERN.keys() - methods.LEGACY.keys()
"""Methods that the legacy era does not have."""

_META_KEYS: Final = (
    PROTOCOL_VERSION_META_KEY,
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
)
_NAMING: Final = (JSONRPCRequest, JSONRPCNotification)
"""Messages that name a method."""

_Model = TypeVar("_Model", bound=BaseModel)
_MAX_KEPT_BYTES: Final = 4096
_UNKNOWN_CLIENT: Final = Implementation(name="", version="")


def is_modern(message: Message) -> bool:
    """Say whether a message is of the modern era, by what it carries.

    Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions".
    """
    if not isinstance(message, _NAMING):
        return False
    if message.method in _ONLY_HERE:
        return True
    meta = (message.params or {}).get("_meta")
    return isinstance(meta, dict) and not meta.keys().isdisjoint(_META_KEYS)


def read_peer(message: JSONRPCRequest) -> Peer:
    """Read what a request says of its client; the version may be any text.

    Raises:
        RemoteProtocolError: A required member is missing or malformed.

    Spec: 2026-07-28 basic, "Per-request protocol fields".
    """
    meta = (message.params or {}).get("_meta")
    if not isinstance(meta, dict):
        raise _malformed(message, f"a request needs _meta with {_META_KEYS[:2]!r}")
    if CLIENT_CAPABILITIES_META_KEY not in meta:
        raise _malformed(
            message,
            f"_meta needs {CLIENT_CAPABILITIES_META_KEY!r}, {{}} if there are none",
        )
    # On the hot path: a client says the same of itself again and again, and reading
    # that anew costs three times as much as writing it down does.
    said = to_json(
        [
            meta.get(PROTOCOL_VERSION_META_KEY),
            meta.get(CLIENT_INFO_META_KEY),
            meta.get(CLIENT_CAPABILITIES_META_KEY),
            meta.get(LOG_LEVEL_META_KEY),
        ]
    )
    # What is kept is bounded, whatever clients send.
    read = _read_peer if len(said) <= _MAX_KEPT_BYTES else _read_peer.__wrapped__
    try:
        return read(said)
    except ValueError as error:
        raise _malformed(message, str(error)) from None


@lru_cache(maxsize=256)
def _read_peer(said: bytes) -> Peer:
    """Read, from JSON, what a client says of itself.

    Raises:
        ValueError: It is malformed; says how.
    """
    version, info, capabilities, log_level = from_json(said)
    if not isinstance(version, str):
        raise ValueError(
            f"_meta needs {PROTOCOL_VERSION_META_KEY!r}, a version as text"
        )
    if log_level is not None and log_level not in LOG_LEVELS:
        raise ValueError(f"_meta[{LOG_LEVEL_META_KEY!r}] must be one of {LOG_LEVELS!r}")
    return Peer(
        version,
        _UNKNOWN_CLIENT
        if info is None
        else _read_member(Implementation, CLIENT_INFO_META_KEY, info),
        _read_member(ClientCapabilities, CLIENT_CAPABILITIES_META_KEY, capabilities),
        log_level,
    )


def read_request(
    message: JSONRPCRequest, headers: Mapping[str, str] | None = None
) -> RequestReceived:
    """Read a request of the modern era.

    Args:
        message: The request.
        headers: HTTP headers that came with it, names in lower case; None if messages
            have none.

    Raises:
        RemoteProtocolError: It is malformed, its headers do not say what it says, or
            its version or its method is not one of the modern era.

    Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation";
    basic/transports/streamable-http, "Server Validation".
    """
    id, method = message.id, message.method
    peer = read_peer(message)
    if headers is not None:
        # First: a version that the header says otherwise is not what is wrong with it.
        check_headers(message, peer.version, headers)
    if peer.version not in versions.MODERN:
        raise RemoteProtocolError(
            "Unsupported protocol version",
            code=UNSUPPORTED_PROTOCOL_VERSION,
            data={
                "supported": list(versions.MODERN),
                "requested": peer.version[:100],
            },
            request_id=id,
        )
    if method not in methods.MODERN:
        raise RemoteProtocolError(
            f"unknown method: {method[:100]}", code=METHOD_NOT_FOUND, request_id=id
        )
    return RequestReceived(id, method, message.params or {}, peer)


def check_headers(
    message: JSONRPCRequest, version: str, headers: Mapping[str, str]
) -> None:
    """Refuse a modern request whose headers do not say what its body says.

    Args:
        message: The body.
        version: Protocol version that the body names.
        headers: Of the request that brought it.

    Raises:
        RemoteProtocolError: A required header is missing, malformed or different.

    Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation".
    """
    method, params = message.method, message.params or {}
    try:
        _check_equal("mcp-protocol-version", version, headers)
        _check_equal("mcp-method", method, headers)
        member = methods.NAMED.get(method)
        if member is not None:
            value = params.get(member)
            # A name that is no text is refused for itself, later.
            if isinstance(value, str):
                _check_name(value, headers, f"params.{member}")
    except ValueError as error:
        raise RemoteProtocolError(
            f"Header mismatch: {error}", code=HEADER_MISMATCH, request_id=message.id
        ) from None


def _check_equal(name: str, value: str, headers: Mapping[str, str]) -> None:
    given = headers.get(name)
    if given == value:
        return
    if given is None:
        raise ValueError(f"{name} is missing; it must say {value[:MAX_SHOWN]!r}")
    if given.strip(BLANKS) != value:
        raise ValueError(
            f"{name} is {given[:MAX_SHOWN]!r}, but the body says {value[:MAX_SHOWN]!r}"
        )


def _check_name(value: str, headers: Mapping[str, str], where: str) -> None:
    given = headers.get("mcp-name")
    if given is None:
        raise ValueError(f"mcp-name is missing; it must say what {where} does")
    if given == value and given.isascii() and ENCODED not in given:
        return
    if decode_header("mcp-name", given) != value:
        raise ValueError(
            f"mcp-name is {given[:MAX_SHOWN]!r}, which is not what {where} says"
        )


def receive_post(
    posted: Message | list[Message], headers: Mapping[str, str]
) -> RequestReceived | Notified | Answered | None:
    """Say what it means that something was posted; nothing is remembered.

    Args:
        posted: A message, or a batch of them.
        headers: HTTP headers that came with it, names in lower case.

    Returns:
        The event; None of what is of the legacy era.

    Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions"; basic/transports/streamable-http.
    """
    if not _is_modern_post(posted, headers):
        return None
    match posted:
        case JSONRPCRequest():
            try:
                return read_request(posted, headers)
            except RemoteProtocolError as error:
                return refusal_of(error)
        case JSONRPCNotification():
            # Also a cancellation: ids belong to one post, whose end cancels it.
            return Notified(posted.method, posted.params or {})
        case _:
            return refusal_of(
                RemoteProtocolError(
                    "this version takes one request or notification, no answers, no "
                    "batches"
                )
            )


def _is_modern_post(
    posted: Message | list[Message], headers: Mapping[str, str]
) -> bool:
    """Say whether a body is of the modern era, alone or by the header of its post."""
    if headers.get("mcp-protocol-version") in versions.MODERN and not (
        isinstance(posted, JSONRPCRequest) and posted.method == methods.INITIALIZE
    ):
        return True
    return not isinstance(posted, list) and is_modern(posted)


def complete(result: JSONObject, server_info: JSONObject) -> JSONObject:
    """Add to a result what every one has: its type, and the server that made it.

    Spec: 2026-07-28 basic, "ResultType" and "Per-response protocol fields".
    """
    meta = {SERVER_INFO_META_KEY: server_info}
    if "_meta" in result:
        meta |= result["_meta"]
    return {"resultType": "complete", **result, "_meta": meta}


class ModernServerProtocol:
    """Decides what the modern messages of one two-way connection mean.

    Args:
        server_info: Name and version of the server, for every result.
    """

    __slots__ = ("_pending", "_server_info")

    def __init__(self, server_info: JSONObject) -> None:
        self._server_info = server_info
        self._pending = PendingRequests()

    def has_pending(self, id: RequestId) -> bool:
        """Say whether a request waits for its answer."""
        return id in self._pending

    def receive(self, message: JSONRPCRequest | JSONRPCNotification) -> Event:
        """Take one message from the peer and say what it means."""
        if isinstance(message, JSONRPCNotification):
            return self._pending.receive(message)
        if message.id in self._pending:
            return used_twice(message.id)
        try:
            received = read_request(message)
        except RemoteProtocolError as error:
            return Answered(
                jsonrpc.error(message.id, error.code, error.message, error.data)
            )
        self._pending[message.id] = True
        return received

    def settle(self, id: RequestId) -> bool:
        """Let a request wait no longer: it is answered now; False if it was cancelled.

        For drivers that write the answer by themselves.
        """
        return self._pending.pop(id, False)

    def send_result(self, id: RequestId, result: JSONObject) -> JSONRPCResponse | None:
        """Answer a request; None if it was cancelled and wants no answer."""
        if not self.settle(id):
            return None
        return jsonrpc.result(id, complete(result, self._server_info))

    def send_error(
        self, id: RequestId, code: int, message: str, data: object = None
    ) -> JSONRPCError | None:
        """Answer a request with an error; None if it was cancelled."""
        if not self.settle(id):
            return None
        return jsonrpc.error(id, code, message, data)


def _read_member(form: type[_Model], key: str, value: JSON) -> _Model:
    """Read a member of a request's `_meta`.

    Raises:
        ValueError: It is malformed; says how.
    """
    try:
        return read_as(form, value)
    except ValidationError as error:
        raise ValueError(describe_faults(error, f"_meta[{key!r}]")) from None


def _malformed(message: JSONRPCRequest, text: str) -> RemoteProtocolError:
    return RemoteProtocolError(text, code=INVALID_PARAMS, request_id=message.id)
