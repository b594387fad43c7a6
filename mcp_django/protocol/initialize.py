"""`initialize`: what a client says of itself, and what that is answered.

Spec: 2025-11-25 basic/lifecycle, "Initialization".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mcp_types import InitializeRequestParams
from mcp_types.jsonrpc import (
    INVALID_PARAMS,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import jsonrpc, versions
from mcp_django.protocol.events import Peer
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.models import read_as

MAX_KEPT_BYTES: Final = 262_144
"""What a client says of itself, as JSON, which a session keeps as long as it lasts."""

_MAX_SHARED_BYTES: Final = 4096
"""Parameters, as JSON, whose reading is kept for other sessions."""


def initialized(id: RequestId, peer: Peer, description: JSONObject) -> JSONRPCResponse:
    """Make the result of `initialize`.

    Args:
        id: Of the request.
        peer: What was read of it.
        description: Capabilities, serverInfo and instructions.
    """
    return jsonrpc.result(id, {"protocolVersion": peer.version, **description})


def read_initialize(message: JSONRPCRequest) -> Peer:
    """Read what a client says of itself in `initialize`, and choose the version.

    Raises:
        RemoteProtocolError: The parameters are not those of `initialize`.
    """
    said = to_json(message.params or {})
    read = _read_peer if len(said) <= _MAX_SHARED_BYTES else _read_peer.__wrapped__
    try:
        return read(said)
    except ValidationError as error:
        fault = describe_faults(error)
    except ValueError as error:
        fault = str(error)
    raise RemoteProtocolError(fault, code=INVALID_PARAMS, request_id=message.id)


# Sessions are many, and programs few: those of one program share what it says.
@lru_cache(maxsize=256)
def _read_peer(said: bytes) -> Peer:
    """Read the parameters of `initialize`, from JSON.

    Raises:
        ValidationError: They are malformed.
        ValueError: They are too long to be kept.
    """
    params = read_as(InitializeRequestParams, from_json(said))
    kept = len(to_json([params.client_info, params.capabilities]))
    if kept > MAX_KEPT_BYTES:
        raise ValueError(
            f"clientInfo and capabilities are {kept} bytes long; {MAX_KEPT_BYTES} are "
            "allowed"
        )
    return Peer(
        versions.negotiate(params.protocol_version),
        params.client_info,
        params.capabilities,
    )
