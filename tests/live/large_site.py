"""Tools with large answers, and users who need no password."""

from __future__ import annotations

import asyncio

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from mcp_django import Server
from mcp_django.auth.interface import Authenticator, Identity

server = Server("large")
urlpatterns = server.urls("mcp")


class Named(Authenticator):
    """Takes everybody for who they say they are, by the number of their row."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Believe the header `X-User`."""
        number = request.headers.get("x-user")
        if number is None:
            return None
        return Identity(get_user_model()(pk=int(number), username=number), self)

    def is_still_valid(self, identity: Identity) -> bool:
        """Go on believing."""
        return True


@server.tool
async def large(megabytes: float) -> str:
    """Give so much text."""
    return "x" * int(megabytes * 1_000_000)


@server.tool
def large_in_thread(megabytes: float) -> str:
    """Give so much text, from a thread."""
    return "x" * int(megabytes * 1_000_000)


@server.tool
async def wait(seconds: float) -> str:
    """Be silent for so long."""
    await asyncio.sleep(seconds)
    return "waited"
