"""URLs of the fixture site: /mcp/sse and /mcp/messages."""

from tests.conformance.mcp import server

urlpatterns = server.urls("mcp")
