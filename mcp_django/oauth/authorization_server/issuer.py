"""The name of the site as an authorization server, and the URLs that it has."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from mcp_django.oauth.resources import root_of


def issuer_of(request: HttpRequest) -> str:
    """Give the issuer: the site's root, such as "https://site.example".

    So the well-known URLs that clients try lead to one document, whatever the path of
    the MCP endpoint is.

    Raises:
        DisallowedHost: The host is not the site's.

    Spec: RFC 8414, section 2.
    """
    return root_of(request)


def url_of(name: str, request: HttpRequest) -> str:
    """Give the URL of what the authorization server has under a name.

    MCP requests pass none of what sets Django's prefix; the request has it.

    Raises:
        DisallowedHost: The host is not the site's.
        NoReverseMatch: There is nothing of this name.
    """
    path = reverse(f"mcp_oauth:{name}").removeprefix(get_script_prefix())
    return f"{root_of(request)}/{path}"
