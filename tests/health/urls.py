"""A site with health probes beside its MCP endpoint."""

from django.urls import include, path

from mcp_django import Server

server = Server("shop")
urlpatterns = [
    path("mcp/health/", include("mcp_django.health")),
    *server.urls("mcp"),
]
