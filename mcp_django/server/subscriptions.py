"""What a client that listens for changes will be told.

Spec: 2026-07-28 basic/patterns/subscriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_types import SubscriptionFilter, SubscriptionsListenRequestParams
from mcp_types.jsonrpc import INVALID_PARAMS
from pydantic import ValidationError

from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.modern import Subscription
from mcp_django.server.errors import ResourceNotFound
from mcp_django.server.requests import Request

if TYPE_CHECKING:
    from mcp_django.server.server import Server

MAX_URIS: Final = 1000
"""Resources that one client may be told about."""

MAX_URI_CHARACTERS: Final = 8000


async def subscribe(server: Server, request: Request) -> Subscription:
    """Agree to tell a client of changes, as far as there is something to tell.

    Lists that the server does not have, and resources that this user may not read, are
    left out.

    Args:
        server: Whose changes.
        request: A `subscriptions/listen` request.

    Raises:
        ErrorAnswer: The request is malformed, or asks for too much.
    """
    try:
        params = SubscriptionsListenRequestParams.model_validate(request.params)
    except ValidationError as error:
        raise ErrorAnswer(INVALID_PARAMS, describe_faults(error)) from None
    asked = params.notifications
    uris = list(dict.fromkeys(asked.resource_subscriptions or ()))
    if len(uris) > MAX_URIS:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"{len(uris)} resource subscriptions; at most {MAX_URIS} are allowed",
        )
    for uri in uris:
        check_uri(uri)
    readable = [uri for uri in uris if await _can_read(server, request, uri)]
    honored = SubscriptionFilter(
        tools_list_changed=bool(asked.tools_list_changed and server.tools) or None,
        prompts_list_changed=(
            bool(asked.prompts_list_changed and server.prompts) or None
        ),
        resources_list_changed=(
            bool(asked.resources_list_changed and server.resources) or None
        ),
        resource_subscriptions=readable or None,
    )
    return Subscription(request.id, honored)


def check_uri(uri: str) -> None:
    """Refuse a URI that is too long to be remembered.

    Raises:
        ErrorAnswer: It is.
    """
    if len(uri) > MAX_URI_CHARACTERS:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"too long to subscribe to; {MAX_URI_CHARACTERS} characters are allowed",
        )


async def _can_read(server: Server, request: Request, uri: str) -> bool:
    try:
        await server.find_resource(uri, request)
    except ResourceNotFound:
        return False
    return True
