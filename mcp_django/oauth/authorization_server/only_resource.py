"""The resource that programs mean which name none."""

from __future__ import annotations

from django.http import HttpRequest

from mcp_django.oauth.resources import ProtectedResource, resource_at
from mcp_django.server.routes import routes


def only_resource(request: HttpRequest) -> ProtectedResource | None:
    """Give the one MCP endpoint that a site has, with all its URLs; None if not one.

    Raises:
        DisallowedHost: The host is not the site's.
    """
    found: dict[str, ProtectedResource] = {}
    for path, _, is_fixed in routes():
        resource = resource_at(path, request) if is_fixed else None
        if resource is None:
            return None
        found[resource.url] = resource
    return next(iter(found.values())) if len(found) == 1 else None
