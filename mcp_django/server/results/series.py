"""Results that are made while they are read, such as by generators.

They may have no end, or a longer one than is ever sent: they are read as far as an
answer may be long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ToolError
from mcp_django.server.requests import Request

NEVER: Final = frozenset({str, int, float, bool, type(None), dict, list, tuple})
"""Types of most values, which are none."""

_LEAST: Final = 2
"""Bytes of the shortest item as JSON, and what is between it and the next."""


def bounded(request: Request, items: Iterator[Any]) -> Iterator[Any]:
    """Give an iterator that ends with an error where no answer could carry it.

    Args:
        request: Is answered with the items.
        items: What a handler returned.
    """
    room = _Room(request)
    for item in items:
        room.take(item)
        yield item


async def read(request: Request, items: AsyncIterator[Any]) -> list[Any]:
    """Read an asynchronous iterator.

    Raises:
        ToolError: No answer could carry what it gives.
    """
    room = _Room(request)
    found = []
    async for item in items:
        room.take(item)
        found.append(item)
    return found


class _Room:
    """The bytes that the answer to a request has left, at most."""

    def __init__(self, request: Request) -> None:
        limit = request.max_result_bytes
        self._limit = mcp_settings.MAX_RESULT_BYTES if limit is None else limit
        self._left = self._limit

    def take(self, item: Any) -> None:
        """Count one more item.

        Raises:
            ToolError: There is no room for it.
        """
        self._left -= _LEAST + (len(item) if type(item) in (str, bytes) else 0)
        if self._left < 0:
            raise ToolError(
                f"the result takes more than {self._limit} bytes, which are all that "
                "can be sent; ask for less, such as fewer items or one page"
            )
