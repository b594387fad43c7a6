"""A cache that is away, for `CACHES`."""

from __future__ import annotations

from typing import Any, NoReturn


class BrokenCache:
    """A cache that can neither be read nor written."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        """Have nothing to close."""

    async def aget(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Fail."""
        raise ConnectionError("the cache is away")

    aget_many = aset = aset_many = adelete = aget
