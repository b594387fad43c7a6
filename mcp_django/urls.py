"""For projects without `mcp_django.asgi`: what clients get that look for OAuth.

Include it last in the root URLconf, so that the project's own goes first::

    urlpatterns = [..., path("", include("mcp_django.urls"))]
"""

from __future__ import annotations

from django.urls import path, register_converter

from mcp_django.consumers.well_known import PlaceConverter, no_oauth

register_converter(PlaceConverter, "mcp_oauth_place")

urlpatterns = [path("<mcp_oauth_place:place>", no_oauth)]
