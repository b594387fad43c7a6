"""Caches for `CACHES`: away, slow, hanging, and one that notes what is done."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, NoReturn

from django.core.cache.backends.locmem import LocMemCache

BROKEN = "tests.worker.caches.BrokenCache"


class BrokenCache:
    """A cache that can neither be read nor written.

    Attributes:
        fault: What it raises.
    """

    fault: ClassVar[BaseException] = ConnectionError("the cache is away")

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        """Have nothing to close."""

    def get(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Fail."""
        raise self.fault

    get_many = set = set_many = delete = delete_many = add = incr = touch = get


class HangingCache(LocMemCache):
    """A cache in memory that hangs now and then, like a Redis that is stopped.

    Attributes:
        works: Set while it answers.
        hanging: Threads that have waited, in the order in which they began.
        has_more: Released for each of them.
        asked: What they asked for, as the cache keeps it, in this order.
    """

    works: ClassVar[threading.Event] = threading.Event()
    hanging: ClassVar[list[threading.Thread]] = []
    asked: ClassVar[list[str]] = []
    has_more: ClassVar[threading.Semaphore] = threading.Semaphore(0)

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__("hanging", params)

    @classmethod
    def begin(cls) -> None:
        """Hang from now on."""
        cls.works.clear()
        cls.hanging.clear()
        cls.asked.clear()
        cls.has_more = threading.Semaphore(0)

    def _wait(self) -> None:
        if not self.works.is_set():
            self.hanging.append(threading.current_thread())
            self.has_more.release()
            self.works.wait()

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """Read, some time."""
        self.asked.append(key)
        self._wait()
        return super().get(key, *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> None:
        """Write, some time."""
        self._wait()
        super().set(*args, **kwargs)


class DelayingCache(HangingCache):
    """A cache in memory that hangs for the first that asks it to read several keys."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Read."""
        return LocMemCache.get(self, *args, **kwargs)

    def get_many(self, keys: Any, version: int | None = None) -> Any:
        """Read, some time."""
        if not self.hanging:
            self._wait()
            return super().get_many(keys, version)
        found = super().get_many(keys, version)
        self.has_more.release()
        return found


class NotingCache(LocMemCache):
    """A cache in memory.

    Attributes:
        touched: Key and timeout of what was kept alive, in order.
    """

    touched: ClassVar[list[tuple[str, float | None]]] = []

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__("noting", params)

    def touch(self, key: str, timeout: Any = None, version: int | None = None) -> bool:
        """Keep something alive."""
        self.touched.append((key, timeout))
        return super().touch(key, timeout, version)
