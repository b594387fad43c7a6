"""What the reader of a page may use of a server, so that no page tells of more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mcp_types import ClientCapabilities, Implementation

from mcp_django.auth.authenticators import is_open_to_all
from mcp_django.auth.interface import User
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.versions import NEWEST
from mcp_django.server.lists import permitted_of
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.showing import shown
from mcp_django.transports.base import Sender

_PEER: Final = Peer(
    NEWEST, Implementation(name="page", version=""), ClientCapabilities()
)


@dataclass(frozen=True, slots=True)
class Visible:
    """The features of a server that one user may use, as clients are shown them.

    Attributes:
        tools: Each with at least `name`, and `title` and `description` if it has some.
        resources: Fixed ones, and templates of them.
        prompts: Prompts.
    """

    tools: list[JSONObject]
    resources: list[JSONObject]
    prompts: list[JSONObject]


async def visible_to(server: Server, user: User) -> Visible | None:
    """Find what a user may use; None for a stranger where only users may connect.

    Raises:
        ServiceAway: Django's permissions, or the database, do not answer.
    """
    if not user.is_authenticated and not is_open_to_all():
        return None
    request = Request("page", "page", {}, _PEER, Sender(user), _tell_nothing)
    tools, resources, templates, prompts = [
        [shown(server, f) for f in await permitted_of(server, request, kind)]
        for kind in ("tool", "resource", "resource_template", "prompt")
    ]
    return Visible(tools, [*resources, *templates], prompts)


async def _tell_nothing(method: str, params: JSONObject) -> Any:
    """Take what a permission would tell a client of."""
