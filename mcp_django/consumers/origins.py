"""Which web pages may talk to MCP endpoints, told by the Origin header.

Spec: 2025-11-25 basic/transports, "Security Warning"; RFC 6454, section 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from corsheaders.conf import conf as cors_settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from mcp_django.conf import mcp_settings

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\\\s]+")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_origin(text: str) -> bool:
    """Say whether a text is an origin, such as "https://app.example", in any case."""
    return _ORIGIN.fullmatch(_normalize(text)) is not None


def is_allowed_origin(request: HttpRequest, origin: str) -> bool:
    """Say whether pages of an origin may talk to the site's MCP endpoints.

    Those are the site's own, those allowed by django-cors-headers, and
    `MCP["ALLOWED_ORIGINS"]`; patterns have to match the whole origin, and
    `CORS_ALLOW_ALL_ORIGINS` opens nothing here.

    Args:
        request: The request that names the origin, for the site's own.
        origin: Value of the Origin header.
    """
    if not is_origin(origin):
        return False
    origin = _normalize(origin)
    return (
        origin == _own_origin(request)
        or origin in _normalize_all(mcp_settings.ALLOWED_ORIGINS)
        or origin in _normalize_all(cors_settings.CORS_ALLOWED_ORIGINS)
        or any(
            re.fullmatch(pattern, origin)
            for pattern in cors_settings.CORS_ALLOWED_ORIGIN_REGEXES
        )
    )


def is_own_origin(request: HttpRequest, origin: str) -> bool:
    """Say whether an origin is the site's own.

    Args:
        request: The request that names the origin.
        origin: Value of the Origin header.
    """
    return _normalize(origin) == _own_origin(request)


def _own_origin(request: HttpRequest) -> str | None:
    """Give the site's own origin, as Django computes it behind proxies."""
    try:
        return _normalize(f"{request.scheme}://{request.get_host()}")
    except DisallowedHost:
        return None


def _normalize(origin: str) -> str:
    """Write an origin as browsers do: in lower case, without a default port."""
    origin = origin.lower()
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition("://")[0], ""))


def _normalize_all(origins: Iterable[str]) -> set[str]:
    return {_normalize(origin.rstrip("/")) for origin in origins}
