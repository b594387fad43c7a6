"""The page that says how each program is connected, and where users make tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from mcp_django.pages.clients import Client, Step, Target, Way, all_clients
from mcp_django.pages.places import Place
from mcp_django.pages.readers import for_users
from mcp_django.pages.ways import ways_in
from mcp_django.rendering import render_page
from mcp_django.server.server import Server
from mcp_django.server.showing import translated

_TEMPLATE = "mcp_django/pages/connect.html"


class ConnectPage:
    """Shows how each program is connected, and makes a token if that is asked for.

    A token's text is shown in the answer to the form, and is nowhere else: a redirect
    would have to carry it. So that loading that page again makes no second token, a
    form makes one (`tokens.make_token`).

    Args:
        server: The server that programs are connected to.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    @method_decorator(csrf_protect)
    @method_decorator(for_users)
    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Show the page; after its form, with the new token in it."""
        place = Place.of(request, self._server, "connect/")
        match request.method:
            case "GET" | "HEAD":
                return self._show(request, place)
            case "POST":
                return self._make_token(request, place)
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])

    def _make_token(self, request: HttpRequest, place: Place) -> HttpResponse:
        tokens = _tokens()
        if tokens is None or not tokens.may_make(request.user):
            raise PermissionDenied
        form = tokens.TokenForm(request.POST)
        if form.is_valid() and tokens.has_too_many(request.user):
            told = _(
                "You have %(most)d tokens already. Revoke one that you do not use."
            )
            form.add_error(None, told % {"most": tokens.MOST_TOKENS})
        if not form.is_valid():
            return self._show(request, place, form=form)
        try:
            token = tokens.make_token(request.user, form)
        except tokens.MadeAlready:
            return self._show(request, place, was_made=True)
        return self._show(request, place, token=token, token_name=form["name"].data)

    def _show(
        self, request: HttpRequest, place: Place, *, token: str = "", **more: Any
    ) -> HttpResponse:
        """Show the page.

        Args:
            request: What it answers.
            place: Of the endpoint.
            token: Text of a token that was made just now; "" for none.
            more: For the template.
        """
        ways = ways_in(request, self._server, place.path)
        way = Way.TOKEN if token else _chosen(ways, request.GET.get("way"))
        about = translated(self._server, self._server.implementation)
        title = about.get("title") or self._server.name
        known = {"token": token} if token else {}
        target = Target(self._server.name, title, place.url, **known)
        context = {
            "about": about,
            "clients": [_explain(client, target, way) for client in all_clients()],
            "is_reached_from_here_only": _is_private(place.url),
            "opened": request.GET.get("client"),
            "other_ways": [other for other in ways if other is not way],
            "place": place,
            "title": title,
            "token": token,
            "way": way,
            **self._for_tokens(request, ways, is_made=bool(token)),
            **more,
        }
        return render_page(request, _TEMPLATE, context)

    def _for_tokens(
        self, request: HttpRequest, ways: Sequence[Way], *, is_made: bool
    ) -> dict[str, Any]:
        tokens = _tokens()
        if tokens is None or Way.TOKEN not in ways:
            return {"takes_tokens": False}
        return {
            "takes_tokens": True,
            "form": tokens.TokenForm.fresh()
            if tokens.may_make(request.user) and not is_made
            else None,
        }


@dataclass(frozen=True, slots=True)
class _Explained:
    """A client, with what its user does."""

    client: Client
    steps: Sequence[Step]


def _explain(client: Client, target: Target, way: Way | None) -> _Explained:
    return _Explained(client, [] if way is None else client.steps(target, way))


def _chosen(ways: Sequence[Way], asked: str | None) -> Way | None:
    """Choose what is shown: what was asked for if it is there, else the best."""
    return next((way for way in ways if way == asked), ways[0] if ways else None)


def _is_private(url: str) -> bool:
    """Say whether a URL names this machine, or one of a network that is not public."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host


def _tokens() -> Any:
    """Give the module of tokens; None where their app is not installed."""
    if not apps.is_installed("mcp_django.tokens"):
        return None
    return import_module("mcp_django.pages.tokens")
