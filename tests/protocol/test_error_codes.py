"""Which codes of errors an era has."""

import pytest
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    UNSUPPORTED_PROTOCOL_VERSION,
    URL_ELICITATION_REQUIRED,
)

from mcp_django.protocol import error_codes
from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (RESOURCE_NOT_FOUND, INVALID_PARAMS),
        (URL_ELICITATION_REQUIRED, INTERNAL_ERROR),
        (-32099, INTERNAL_ERROR),
        (-32023, INTERNAL_ERROR),
        (MISSING_REQUIRED_CLIENT_CAPABILITY, MISSING_REQUIRED_CLIENT_CAPABILITY),
        (HEADER_MISMATCH, HEADER_MISMATCH),
        (UNSUPPORTED_PROTOCOL_VERSION, UNSUPPORTED_PROTOCOL_VERSION),
        (-32100, -32100),
        (-32019, -32019),
        (-32000, -32000),
        (INVALID_PARAMS, INVALID_PARAMS),
        (7, 7),
    ],
)
def test_codes_that_the_modern_era_does_not_have_are_replaced(
    code: int, expected: int
) -> None:
    """Spec: 2026-07-28 basic, "Error Codes"."""
    assert error_codes.in_modern_era(code) == expected
