"""How each era wants to be answered."""

import pytest
from mcp_types.jsonrpc import HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS

from mcp_django.protocol import methods, versions
from mcp_django.protocol.eras import ERAS, LEGACY, MODERN
from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.protocol.jsonrpc import JSONObject


def test_every_version_has_its_era() -> None:
    """Spec: 2026-07-28 basic/versioning."""
    assert ERAS.keys() == set(versions.ALL)
    assert {ERAS[version] for version in versions.LEGACY} == {LEGACY}
    assert {ERAS[version] for version in versions.MODERN} == {MODERN}


@pytest.mark.parametrize("method", methods.METHODS)
def test_only_some_requests_may_ask_where_results_ask(method: str) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    assert LEGACY.may_ask(method)
    assert MODERN.may_ask(method) is methods.METHODS[method].may_ask


@pytest.mark.parametrize(
    ("code", "modern"),
    [
        (RESOURCE_NOT_FOUND, INVALID_PARAMS),
        (-32099, INTERNAL_ERROR),
        (HEADER_MISMATCH, HEADER_MISMATCH),
        (7, 7),
    ],
)
def test_modern_era_replaces_codes_of_errors(code: int, modern: int) -> None:
    """Spec: 2026-07-28 basic, "Error Codes"."""
    assert LEGACY.error_code(code) == code
    assert MODERN.error_code(code) == modern


def test_modern_results_say_how_long_they_may_be_kept() -> None:
    """Spec: 2026-07-28 server/utilities/caching; older versions have no words for
    it."""
    result: JSONObject = {"tools": []}
    assert LEGACY.with_hints(result, ttl_ms=5, scope="public") == {"tools": []}
    assert MODERN.with_hints(result, ttl_ms=5, scope="public") == {
        "tools": [],
        "ttlMs": 5,
        "cacheScope": "public",
    }
    assert result == {"tools": []}
