"""From the path of a request to the MCP endpoint that the URLconf has there.

Channels' `URLRouter` is not used: Daphne takes a root path from any client, and for a
path outside it that router raises. Paths are split as Django's `ASGIRequest` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.urls import Resolver404, URLResolver, get_resolver

from mcp_django.server.endpoints import Endpoint


def endpoint_at(path_info: str, urlconf: str | None = None) -> Endpoint | None:
    """Give the MCP endpoint at a path, None if there is none.

    Args:
        path_info: The path below the script name.
        urlconf: A URLconf other than `ROOT_URLCONF`.
    """
    return _endpoint_at(path_info, urlconf or settings.ROOT_URLCONF)


def all_endpoints() -> list[Endpoint]:
    """Give every MCP endpoint of the project's URLconf.

    Raises:
        Exception: Whatever importing the URLconf raises.
    """
    return list(_endpoints_below(get_resolver()))


def path_info_of(scope: dict[str, Any]) -> str:
    """Give the path of an ASGI scope below its script name, as Django sees it."""
    path: str = scope["path"]
    return path.removeprefix(get_script_prefix(scope) or "")


def _endpoints_below(resolver: URLResolver) -> Iterator[Endpoint]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _endpoints_below(pattern)
        elif isinstance(pattern.callback, Endpoint):
            yield pattern.callback


@lru_cache(maxsize=1024)
def _endpoint_at(path_info: str, urlconf: str) -> Endpoint | None:
    try:
        match = get_resolver(urlconf).resolve(path_info)
    except Resolver404:
        return None
    return match.func if isinstance(match.func, Endpoint) else None


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "ROOT_URLCONF":
        _endpoint_at.cache_clear()
