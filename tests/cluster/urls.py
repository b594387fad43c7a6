"""URLs of the site that the cluster serves."""

from tests.cluster.mcp import server

urlpatterns = server.urls("mcp")
