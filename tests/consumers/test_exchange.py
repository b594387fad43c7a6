"""What an exchange shows of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_django.consumers.exchange import Exchange


async def never() -> Mapping[str, Any]:
    raise AssertionError("nobody receives here")


async def drop(event: Mapping[str, Any]) -> None:
    raise AssertionError("nobody sends here")


def test_headers_come_in_lower_case_without_credentials() -> None:
    """Our choice: they go to handlers, and over the channel layer to other workers."""
    headers = [
        (b"Authorization", b"Bearer secret"),
        (b"cookie", b"sessionid=secret"),
        (b"Proxy-Authorization", b"Basic secret"),
        (b"X-Request-Id", b"1"),
        (b"accept", b"application/json"),
        (b"accept", b"text/event-stream"),
    ]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    assert Exchange(scope, never, drop).headers == {
        "x-request-id": "1",
        "accept": "application/json, text/event-stream",
    }
