"""The site's caches, for tasks of an event loop: bounded, in threads of their own.

asgiref has one thread for all that Django calls async. A cache that hangs there would
hold up the ORM of all handlers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from django.core.cache import BaseCache, caches
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.dispatch import receiver

from mcp_django.bulkheads.fair_threads import FairThreads
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway

T = TypeVar("T")

logger = FaultLog("mcp_django.worker")


class SiteCache:
    """A cache of `CACHES`, with threads of its own.

    As with Django itself, each thread has a backend of its own, which need not be safe
    for several. It stays, with its connections, as long as the thread does.

    Args:
        alias: Names it in `CACHES`.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._name = f"the cache {alias!r}"
        self._threads = FairThreads(
            "mcp-cache", mcp_settings.CACHE_WORKERS, replaces=True
        )
        self._of_thread = threading.local()
        self._service = Service(
            self._name,
            _effect_of(alias),
            timeout=lambda: mcp_settings.CACHE_TIMEOUT,
            shown_as="the site's cache",
            logger=logger,
        )

    async def ask(self, function: Callable[[BaseCache], T]) -> T:
        """Give what a function of the cache returns, called in a thread.

        Args:
            function: Calls the cache's synchronous methods; all that belongs together
                in one, because a hop to a thread is not free.

        Raises:
            ServiceAway: The cache fails, or does not answer in time.
        """
        # A `KEY_FUNCTION` may look at what the site keeps in its context.
        call = partial(copy_context().run, self._call, function)
        run = partial(self._threads.run, call, what=lambda: self._name)
        return await self._service.ask(run)

    def close(self) -> None:
        """End the threads as soon as they have nothing to do."""
        self._threads.close()

    def _call(self, function: Callable[[BaseCache], T]) -> T:
        close_old_connections()  # of a cache in the database
        try:
            return function(self._backend())
        finally:
            close_old_connections()

    def _backend(self) -> BaseCache:
        backend: BaseCache | None = getattr(self._of_thread, "backend", None)
        if backend is None:
            backend = self._of_thread.backend = caches.create_connection(self._alias)
        return backend


def _effect_of(alias: str) -> str:
    """Say what it means for clients that a cache is away."""
    effects = []
    if alias == mcp_settings.CACHE:
        effects.append(
            "sessions cannot be ended or changed, those that were ended may count as "
            "open, and subscribers do not hear of resources"
        )
        if mcp_settings.MAX_RATE is not None:
            effects.append("each process counts the requests of a user alone")
    if alias == mcp_settings.EVENT_STORE_CACHE:
        effects.append("lost streams cannot be resumed")
    return "; ".join(effects) or "what it keeps is not known"


_caches: dict[str, SiteCache] = {}
_lock = threading.Lock()


def cache_of(alias: str) -> SiteCache:
    """Give a cache of `CACHES`; the same one each time."""
    cache = _caches.get(alias)
    if cache is None:
        with _lock:
            cache = _caches.get(alias) or SiteCache(alias)
            _caches[alias] = cache
    return cache


def event_cache() -> SiteCache:
    """Give the cache that keeps events, of `MCP["EVENT_STORE_CACHE"]`.

    Raises:
        ServiceAway: None is named any more.
    """
    alias = mcp_settings.EVENT_STORE_CACHE
    if alias is None:
        raise ServiceAway("the event store", 1.0)
    return cache_of(alias)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in ("CACHES", "MCP"):
        with _lock:
            for cache in _caches.values():
                cache.close()
            _caches.clear()
