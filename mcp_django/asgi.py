"""The ASGI way in: MCP paths go straight to their consumers, the rest to Django.

An open stream then holds neither a thread nor a database connection.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application as get_django_application

from mcp_django.consumers.applications import Application, application_of
from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.routing import endpoint_at, path_info_of


class MCPRouter:
    """Sends HTTP requests to MCP endpoints, and everything else on.

    Endpoints are found by the project's own URL patterns.

    Args:
        application: Takes what is not for MCP, such as Django's ASGI application.
            As the "http" entry of a Channels `ProtocolTypeRouter` it sees HTTP only.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        endpoint = None
        if scope["type"] == "http":
            endpoint = endpoint_at(path_info_of(scope))
        if endpoint is None:
            await self._application(scope, receive, send)
            return
        await application_of(endpoint)(scope, receive, send)


def get_asgi_application() -> MCPRouter:
    """Set Django up and give the whole project as an ASGI application.

    Under `DEBUG`, with `django.contrib.staticfiles` installed, static files are served
    too, so that plain Daphne shows admin pages with their styles.
    """
    handler = get_django_application()
    if settings.DEBUG and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        handler = ASGIStaticFilesHandler(handler)
    return MCPRouter(handler)
