"""The URLs of the site."""

from benchmarks.sites.many_tools.mcp import server

urlpatterns = server.urls("mcp")
