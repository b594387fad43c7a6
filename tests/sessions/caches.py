"""Caches for `CACHES`: one that is away, and one that notes what is done."""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.cache.backends.locmem import LocMemCache


class BrokenCache:
    """A cache that can neither be read nor written."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        """Have nothing to close."""

    async def aget(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Fail."""
        raise ConnectionError("the cache is away")

    aget_many = aset = aset_many = adelete = atouch = aget


class NotingCache(LocMemCache):
    """A cache in memory.

    Attributes:
        touched: Key and timeout of what was kept alive, in order.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__("noting", params)
        self.touched: list[tuple[str, float | None]] = []

    def touch(self, key: str, timeout: Any = None, version: int | None = None) -> bool:
        """Keep something alive."""
        self.touched.append((key, timeout))
        return super().touch(key, timeout, version)
