"""Django's caches, for tasks of an event loop."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.core.cache import BaseCache, caches
from django.core.signals import setting_changed
from django.dispatch import receiver


@lru_cache(maxsize=8)
def cache_of(alias: str) -> BaseCache:
    """Give a cache of `CACHES`; the same one to everybody.

    Django's own `caches` makes a new one in every asyncio task, with connections of
    its own to Redis or memcached. Use its `a...` methods only: all of them run in one
    thread, so that a backend need not be safe for several.
    """
    cache: BaseCache = caches.create_connection(alias)
    return cache


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "CACHES":
        cache_of.cache_clear()
