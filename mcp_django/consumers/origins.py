"""Which web pages may talk to MCP endpoints, told by the Origin header.

Spec: 2025-11-25 basic/transports, "Security Warning"; RFC 6454, section 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from corsheaders.conf import conf as cors_settings
from django.core.exceptions import BadRequest, DisallowedHost
from django.http import HttpRequest

from mcp_django.conf import mcp_settings

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\\\s]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_allowed_origin(request: HttpRequest, origin: str) -> bool:
    """Say whether pages of an origin may talk to the site's MCP endpoints.

    Those are the site's own, those allowed by django-cors-headers, and
    `MCP["ALLOWED_ORIGINS"]`; patterns have to match the whole origin, and
    `CORS_ALLOW_ALL_ORIGINS` opens nothing here.

    Args:
        request: The request that names the origin, for the site's own.
        origin: Value of the Origin header.
    """
    origin = origin.lower()
    if not _ORIGIN.fullmatch(origin):
        return False
    return (
        origin == _own_origin(request)
        or origin in _normalized(mcp_settings.ALLOWED_ORIGINS)
        or origin in _normalized(cors_settings.CORS_ALLOWED_ORIGINS)
        or any(
            re.fullmatch(pattern, origin)
            for pattern in cors_settings.CORS_ALLOWED_ORIGIN_REGEXES
        )
    )


def _own_origin(request: HttpRequest) -> str | None:
    """Give the site's own origin, as Django computes it behind proxies."""
    try:
        own = urlsplit(f"{request.scheme}://{request.get_host()}")
        port = own.port
    except (BadRequest, DisallowedHost, ValueError):
        return None
    host = own.netloc.lower()
    # Browsers leave the default port out; a Host header may name it.
    if port is not None and port == _DEFAULT_PORTS.get(own.scheme):
        host = host.rpartition(":")[0]
    return f"{own.scheme}://{host}"


def _normalized(origins: Iterable[str]) -> set[str]:
    return {origin.lower().rstrip("/") for origin in origins}
