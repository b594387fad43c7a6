"""Checks of health probes: load balancers reach them by an address, over HTTP."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.checks.asgi import contains_router
from mcp_django.server.routes import has_probes

_MIDDLEWARE: Final = "mcp_django.health.HealthMiddleware"


def check_health(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find probes that stand behind middleware which redirects or refuses them."""
    try:
        # Who serves over WSGI has no such application.
        path = getattr(settings, "ASGI_APPLICATION", None)
        if not has_probes() or (path and contains_router(import_string(path))):
            return []
    except Exception:  # Other checks say what is wrong with it.
        return []
    first = next(iter(settings.MIDDLEWARE), _MIDDLEWARE)
    if first == _MIDDLEWARE:
        return []
    return [
        checks.Warning(
            "The health probes are reached through MIDDLEWARE, which may redirect them "
            "to HTTPS, or refuse the Host by which a load balancer asks.",
            hint=f"Put {_MIDDLEWARE!r} before {first!r} in MIDDLEWARE, or serve with "
            "mcp_django.asgi.get_asgi_application.",
            id="mcp_django.W165",
        )
    ]
