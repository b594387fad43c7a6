"""The console: a page whose script speaks to the endpoint as its reader does."""

from __future__ import annotations

from typing import Any, Final

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from mcp_django.auth.authenticators import authenticators, is_open_to_all
from mcp_django.auth.interface import User
from mcp_django.pages.console_texts import console_texts
from mcp_django.pages.places import Place
from mcp_django.pages.readers import login_url, reader_of
from mcp_django.protocol import versions
from mcp_django.rendering import render_page
from mcp_django.server.server import Server
from mcp_django.server.showing import translated

PAGE: Final = "console/"
"""Its path below the endpoint."""

PERMISSION: Final = "mcp_pages.use_console"


class ConsolePage:
    """Shows the console to staff, and to users who have the permission for it.

    It gives no rights: each request of its script is decided as one of any other
    program of the same user would be.

    Args:
        server: The server it speaks to.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Show the page, or where to log in first.

        Raises:
            PermissionDenied: The user may not use it.
        """
        user = await reader_of(request)
        if not user.is_authenticated and login_url(request) is not None:
            return redirect_to_login(request.get_full_path())
        if not await sync_to_async(may_use_console)(user):
            raise PermissionDenied(_("Your account may not use the console."))
        server, place = self._server, Place.of(request, self._server, PAGE)
        context = {
            "about": translated(server, server.implementation),
            "place": place,
            "known": _known(request, place, user),
        }
        return await sync_to_async(render_page)(
            request,
            "mcp_django/pages/console.html",
            context,
            connect_to=["'self'", _websocket_origin(request)],
        )


def may_use_console(user: User) -> bool:
    """Say whether a user may use the console: staff, or by permission; no stranger."""
    if not user.is_authenticated:
        return False
    # User models need have neither.
    has_permission = getattr(user, "has_perm", None)
    return getattr(user, "is_staff", False) or (
        has_permission is not None and has_permission(PERMISSION)
    )


def _known(request: HttpRequest, place: Place, user: User) -> dict[str, Any]:
    """Tell the script what it has to know."""
    return {
        "server": place.server.name,
        "path": place.path,
        "user": user.get_username(),
        "loginUrl": login_url(request),
        "versions": {
            "modern": list(versions.MODERN),
            "legacy": list(versions.LEGACY),
        },
        # Whether the cookie of the login to the site says who asks.
        "takesCookies": is_open_to_all()
        or any(authenticator.uses_cookies for authenticator in authenticators()),
        "texts": console_texts(),
    }


def _websocket_origin(request: HttpRequest) -> str:
    """Name the site for WebSockets, which not every browser counts as 'self'."""
    scheme = "wss" if request.is_secure() else "ws"
    return f"{scheme}://{request.get_host()}"
