"""Requests that a server has no time for now, and when they go again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import anyio
from mcp_types.jsonrpc import INVALID_REQUEST

from mcp_django.exceptions import ErrorReceived, HTTPRefused

_T = TypeVar("_T")

MAX_REPEATS: Final = 3
LONGEST_SECONDS: Final = 30.0
"""How long to wait for a server at most, with all times together."""

_SPREAD: Final = 0.1
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503


async def ask_again(
    ask: Callable[[], Awaitable[_T]], *, within: float, is_harmless: bool
) -> _T:
    """Ask, and ask again when the server says when, a few times at most.

    Args:
        ask: Asks once.
        within: Seconds that all waiting may take, if less than `LONGEST_SECONDS`.
        is_harmless: Whether what is asked may be done twice. Else it is asked again
            only where it was not done for sure: there were too many requests.

    Returns:
        The answer.

    Raises:
        HTTPRefused, ErrorReceived: The last one, where to wait is no use.
        Exception: What else `ask` raises.
    """
    left = min(within, LONGEST_SECONDS)
    for _ in range(MAX_REPEATS):
        try:
            return await ask()
        except (HTTPRefused, ErrorReceived) as error:
            seconds = _seconds_until(error, is_harmless=is_harmless)
            if seconds is None or seconds > left:
                raise
        left -= seconds
        # Many may have been told the same, and shall not come together.
        await anyio.sleep(seconds * random.uniform(1, 1 + _SPREAD))
    return await ask()


def _seconds_until(
    error: HTTPRefused | ErrorReceived, *, is_harmless: bool
) -> float | None:
    """Give when to ask again; None if that is no use, or may do harm.

    Spec: RFC 9110, section 10.2.3; RFC 6585, section 4.
    """
    match error:
        case HTTPRefused(status=status, headers=headers):
            is_later = status == _TOO_MANY or (status == _UNAVAILABLE and is_harmless)
            return _seconds_in(headers) if is_later else None
        case ErrorReceived(code=code, data={"retryAfter": int() | float() as seconds}):
            return max(0.0, seconds) if code == INVALID_REQUEST else None
        case _:
            return None


def _seconds_in(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`: seconds, or a time by the server's clock."""
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return float(after[:10])
    try:
        until = parsedate_to_datetime(after)
        now = parsedate_to_datetime(headers["date"])
        return max(0.0, (until - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None
