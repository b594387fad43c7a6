"""The pages of what may act as a user: programs that were allowed, and own tokens."""

from __future__ import annotations

from django.apps import apps
from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from mcp_django.auth.grants import finders
from mcp_django.pages.places import Place
from mcp_django.pages.readers import for_users
from mcp_django.rendering import render_page
from mcp_django.server.server import Server


class ProgramsPage:
    """Lists what may act as the user who looks, whatever app knows of it.

    Args:
        server: At whose endpoint the page is; what is listed is for all of the site.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    @method_decorator(for_users)
    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Show the page."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        user, tokens = request.user, []
        if apps.is_installed("mcp_django.tokens"):
            own_tokens = import_string("mcp_django.pages.tokens.own_tokens")
            tokens = own_tokens(user)
        context = {
            "grants": [grant for find in finders for grant in find(request)],
            "place": Place.of(request, self._server, "programs/"),
            "tokens": tokens,
        }
        return render_page(request, "mcp_django/pages/programs.html", context)


class RevokeTokenPage:
    """Asks whether to revoke a token of one's own, and does it.

    Args:
        server: At whose endpoint the page is.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    @method_decorator(csrf_protect)
    @method_decorator(for_users)
    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Ask, or revoke."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        find_token = import_string("mcp_django.pages.tokens.find_token")
        own = find_token(request.user, request.GET.get("token", ""))
        if own is None:
            raise Http404("this user has no such token that is usable")
        place = Place.of(request, self._server, "programs/revoke/")
        if request.method != "POST":
            page = {"own": own, "place": place}
            return render_page(request, "mcp_django/pages/revoke_token.html", page)
        own.token.revoke()
        told = _("The token “%(name)s” opens nothing any more.")
        messages.success(request, told % {"name": own.token.name}, fail_silently=True)
        return HttpResponseRedirect(f"{place.path}/programs/")
