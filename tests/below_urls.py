"""URLs of a server that tells where it is."""

from django.urls import reverse

from mcp_django import Server

server = Server("below")


@server.tool
def find() -> str:
    """Tell its path, in a thread."""
    return reverse("below-mcp")


@server.tool
async def find_async() -> str:
    """Tell its path, in the event loop."""
    return reverse("below-mcp")


urlpatterns = server.urls("mcp")
