"""Where this site is, as others see it."""

from __future__ import annotations

from django.http import HttpRequest

from mcp_django.conf import mcp_settings


def origin_of(request: HttpRequest) -> str:
    """Give the site's origin, such as "https://site.example".

    Raises:
        DisallowedHost: The request names a host that the site does not have.
    """
    if mcp_settings.PUBLIC_URL is not None:
        return mcp_settings.PUBLIC_URL.rstrip("/")
    return f"{request.scheme}://{request.get_host()}"
