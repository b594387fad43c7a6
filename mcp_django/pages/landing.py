"""The page at the endpoint itself: what is here, and how to connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from mcp_django.auth.interface import User
from mcp_django.pages.places import Place
from mcp_django.pages.visible import Visible, visible_to
from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.rendering import render_page
from mcp_django.server.server import Server
from mcp_django.server.showing import translated

_SHOWN: Final = 12
"""How many features of a kind are named; of the others it is said how many they are."""


class LandingPage:
    """Shows a browser what it has found, whatever its user may do here.

    Args:
        server: The server that programs find there.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Show the page; without credentials it tells of no feature."""
        user = await _user_of(request)
        server, place = self._server, Place.of(request, self._server)
        visible = await visible_to(server, user)
        context = {
            "about": translated(server, server.implementation),
            "offered": None if visible is None else list(_offered(visible)),
            "login_url": None if user.is_authenticated else _login_url(request),
            "place": place,
            "versions": versions.ALL,
        }
        return await sync_to_async(render_page)(
            request, "mcp_django/pages/landing.html", context
        )


@dataclass(frozen=True, slots=True)
class _Offered:
    """The features of one kind, as the page lists them.

    Attributes:
        title: What they are called.
        features: The first of them.
        more: How many others there are.
    """

    title: str
    features: Sequence[JSONObject]
    more: int


def _offered(visible: Visible) -> Iterator[_Offered]:
    for title, features in (
        (_("Tools"), visible.tools),
        (_("Resources"), visible.resources),
        (_("Prompts"), visible.prompts),
    ):
        if features:
            more = max(0, len(features) - _SHOWN)
            yield _Offered(title, features[:_SHOWN], more)


async def _user_of(request: HttpRequest) -> User:
    """Give the user who has logged in, as `AuthenticationMiddleware` knows."""
    if not hasattr(request, "auser"):
        return AnonymousUser()
    user: User = await request.auser()
    return user


def _login_url(request: HttpRequest) -> str | None:
    """Say where the reader logs in and comes back; None where the site has no place."""
    try:
        url = resolve_url(settings.LOGIN_URL)
        if url.startswith("/"):
            resolve(url.removeprefix(get_script_prefix().rstrip("/")))
    except (NoReverseMatch, Resolver404):
        return None
    return f"{url}?{urlencode({'next': request.get_full_path()})}"
