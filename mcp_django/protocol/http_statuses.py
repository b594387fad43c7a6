"""The HTTP statuses of JSON-RPC errors, where messages are posted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mcp_types import (
    HEADER_MISMATCH,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_types.jsonrpc import METHOD_NOT_FOUND

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Answered

OF_ERRORS: Final[Mapping[int, int]] = {
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_REQUIRED_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_PROTOCOL_VERSION: 400,
}
"""Code of an error that a handler answers with in the modern era -> HTTP status; 200 if
it is not here. The legacy era has 200 for all of them.

Spec: 2026-07-28 basic/transports/streamable-http; basic, "`_meta`".
"""


def refusal_of(error: RemoteProtocolError) -> Answered:
    """Answer what was posted against the rules, in either era."""
    return Answered(
        jsonrpc.error(error.request_id, error.code, error.message, error.data),
        status=OF_ERRORS.get(error.code, 400),
    )
