"""A site whose only server stands at its root, and which has nowhere to log in."""

from __future__ import annotations

from tests.site.mcp import server

urlpatterns = server.urls("")
