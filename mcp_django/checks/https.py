"""Checks of HTTPS: a token over plain HTTP must be refused, and not redirected."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.checks.asgi import contains_router
from mcp_django.checks.servers import readable_endpoints

_DJANGOS: Final = "django.middleware.security.SecurityMiddleware"
_OURS: Final = "mcp_django.middleware.OriginMiddleware"


def check_https(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find endpoints before which `SecurityMiddleware` redirects to HTTPS."""
    try:
        path = getattr(settings, "ASGI_APPLICATION", None)
        if path and contains_router(import_string(path)):
            return []
    except Exception:  # Other checks say what is wrong with it.
        return []
    if not settings.SECURE_SSL_REDIRECT or not readable_endpoints():
        return []
    middleware = list(settings.MIDDLEWARE)
    if _DJANGOS not in middleware:
        return []
    if _OURS in middleware[: middleware.index(_DJANGOS)]:
        return []
    return [
        checks.Warning(
            "MCP requests over plain HTTP are redirected to HTTPS: programs follow, "
            "and do not tell that others could read their token.",
            hint=f"Put {_OURS!r} before {_DJANGOS!r} in MIDDLEWARE, which refuses them "
            "with a text that says so; or serve with "
            "mcp_django.asgi.get_asgi_application.",
            id="mcp_django.W160",
        )
    ]
