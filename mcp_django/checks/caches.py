"""Checks of the caches that keep what is left of sessions over Streamable HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.module_loading import import_string

from mcp_django.checks.servers import readable_endpoints
from mcp_django.checks.setting import values

_KEYS: Final = ("CACHE", "EVENT_STORE_CACHE")
_REMEDY: Final = "Use Redis or Memcached, in a cache of its own if need be"


def check_caches(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find caches that the `MCP` setting names and that there are not."""
    return [
        checks.Error(
            f"CACHES has no {alias!r}, which MCP[{key!r}] names.",
            hint=f"Configure it, or name one of {', '.join(sorted(_caches()))}.",
            id="mcp_django.E050",
        )
        for key, alias in _named()
        if alias not in _caches()
    ]


def check_kept_caches(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find caches that other processes do not see, or that forget; for deployment."""
    if not readable_endpoints():
        return []
    by_alias: dict[str, list[str]] = {}
    for key, alias in _named():
        by_alias.setdefault(alias, []).append(f"MCP[{key!r}]")
    return [
        message
        for alias, names in by_alias.items()
        for message in _faults_of(alias, " and ".join(names))
    ]


def _faults_of(alias: str, names: str) -> Iterator[checks.CheckMessage]:
    try:
        backend = import_string(_caches()[alias]["BACKEND"])
        is_alone = issubclass(backend, LocMemCache | DummyCache)
        is_culled = issubclass(backend, DatabaseCache | FileBasedCache)
    except Exception:  # What `check_caches` tells, or Django.
        return
    if is_alone:
        yield checks.Warning(
            f"CACHES[{alias!r}] ({names}) is not seen by other processes: they do not "
            "know what clients set for their sessions.",
            hint=f"{_REMEDY}, or silence this check if there is one process.",
            id="mcp_django.W051",
        )
    if is_culled:
        yield checks.Warning(
            f"CACHES[{alias!r}] ({names}) throws away what is still good when it has "
            "more than MAX_ENTRIES: sessions that were ended are open again, and "
            "subscriptions are forgotten.",
            hint=f"{_REMEDY}, or silence this check if MAX_ENTRIES is large enough.",
            id="mcp_django.W052",
        )


def _named() -> Iterator[tuple[str, str]]:
    """Give the keys of the `MCP` setting that name a cache, each with its alias."""
    for key in _KEYS:
        alias = values()[key]
        if isinstance(alias, str):
            yield key, alias


def _caches() -> dict[str, Any]:
    caches = getattr(settings, "CACHES", None)
    return caches if isinstance(caches, dict) else {}
