"""Codes of JSON-RPC errors that `mcp_types` does not name, and which era has which."""

from __future__ import annotations

from typing import Final

from mcp_types import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)

SESSION_NOT_FOUND: Final = -32001
"""There is no session of this id; our choice, as of other servers."""

RESOURCE_NOT_FOUND: Final = -32002
"""Of the legacy era; the modern one has `INVALID_PARAMS` for it.

Spec: 2025-11-25 server/resources, "Error Handling".
"""

MODERN_ONLY: Final = frozenset(
    {HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY, UNSUPPORTED_PROTOCOL_VERSION}
)
"""Codes that the legacy era does not have."""

_RESERVED: Final = range(-32099, -32019)


def in_modern_era(code: int) -> int:
    """Give the code that the modern era has for an error of any version.

    Spec: 2026-07-28 basic, "Error Codes": codes of earlier versions must not be sent,
    nor reserved ones that are not defined.
    """
    if code == RESOURCE_NOT_FOUND:
        return INVALID_PARAMS
    return INTERNAL_ERROR if code in _RESERVED and code not in MODERN_ONLY else code
