"""URLs of the site that hangs."""

from tests.hanging.mcp import server

urlpatterns = server.urls("mcp")
