"""URLs of the site: /mcp and what is beside it."""

from tests.live.hostile.mcp import server

urlpatterns = [*server.urls("mcp")]
