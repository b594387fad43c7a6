"""The page at the endpoint itself: what is here, and how to connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from mcp_django.pages.clients import all_clients
from mcp_django.pages.console import may_use_console
from mcp_django.pages.places import Place
from mcp_django.pages.readers import login_url, reader_of
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
        user = await reader_of(request)
        server, place = self._server, Place.of(request, self._server)
        visible = await visible_to(server, user)
        context = {
            "about": translated(server, server.implementation),
            "clients": all_clients(),
            "offered": None if visible is None else list(_offered(visible)),
            "may_use_console": await sync_to_async(may_use_console)(user),
            "login_url": None if user.is_authenticated else login_url(request),
            "place": place,
            "user": user,
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
