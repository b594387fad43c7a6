"""For projects without `mcp_django.asgi`: what clients get that look for OAuth, or for
a document of an endpoint.

Include it last in the root URLconf, so that the project's own goes first::

    urlpatterns = [..., path("", include("mcp_django.urls"))]
"""

from __future__ import annotations

from django.urls import path, register_converter

from mcp_django.consumers.well_known import PlaceConverter, answer_or_404

register_converter(PlaceConverter, "mcp_place")

urlpatterns = [path("<mcp_place:place>", answer_or_404)]
