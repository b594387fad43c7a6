"""The name of the site as an authorization server."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import get_script_prefix

from mcp_django.oauth.resources import origin_of


def issuer_of(request: HttpRequest) -> str:
    """Give the issuer: the site's root, such as "https://site.example".

    So the well-known URLs that clients try lead to one document, whatever the path of
    the MCP endpoint is.

    Raises:
        DisallowedHost: The host is not the site's.

    Spec: RFC 8414, section 2.
    """
    return f"{origin_of(request)}{get_script_prefix()}".rstrip("/")


def absolute(request: HttpRequest, path: str) -> str:
    """Give the URL of a path of the site, as `reverse` gives it.

    Raises:
        DisallowedHost: The host is not the site's.
    """
    return f"{origin_of(request)}{path}"
