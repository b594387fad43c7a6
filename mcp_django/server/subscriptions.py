"""What a client that listens for changes will be told.

Spec: 2026-07-28 basic/patterns/subscriptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio.lowlevel
from mcp_types import SubscriptionFilter, SubscriptionsListenRequestParams
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    AuthenticationFailed,
    ErrorAnswer,
    MCPError,
    ServiceAway,
)
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.protocol.uris import MAX_CHARACTERS
from mcp_django.server.asking import QuestionsAsked
from mcp_django.server.django_errors import Refusal
from mcp_django.server.errors import ResourceNotFound
from mcp_django.server.params import read_params
from mcp_django.server.requests import Request
from mcp_django.server.scopes import insufficient

if TYPE_CHECKING:
    from mcp_django.server.server import Server

logger = FaultLog("mcp_django.server")

MAX_TOTAL: Final = 500_000
"""Characters of all URIs of one request; to look at them takes a tenth of a second."""


async def subscribe(server: Server, request: Request) -> Subscription:
    """Agree to tell a client of changes, as far as there is something to tell.

    Lists that the server does not have, and resources that this user may not read, are
    left out.

    Args:
        server: Whose changes.
        request: A `subscriptions/listen` request.

    Raises:
        ErrorAnswer: The request is malformed, or asks for too much; or what decides
            about rights does not answer.
        AuthenticationFailed: To read one of the resources needs a scope that is not
            there.
    """
    asked = read_params(SubscriptionsListenRequestParams, request).notifications
    uris = list(dict.fromkeys(asked.resource_subscriptions or ()))
    _check_uris(uris)
    readable = await _readable_of(server, request, uris)
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
    return Subscription(request.id, honored, server.resource_keys.of)


async def _readable_of(
    server: Server, request: Request, uris: Sequence[str]
) -> list[str]:
    """Keep what the user may read.

    Raises:
        AuthenticationFailed: One needs a scope that is not there; names those of all.
    """
    readable: list[str] = []
    needed: set[str] = set()
    for uri in uris:
        try:
            if await _can_read(server, request, uri):
                readable.append(uri)
                server.resource_keys.of(uri)  # now, and not for all of them in one go
        except AuthenticationFailed as failure:
            needed.update(failure.parameters.get("scope", "").split())
        # A thousand long URIs must not hold up all other clients.
        await anyio.lowlevel.checkpoint()
    if needed:
        raise insufficient(server, request, needed)
    return readable


def _check_uris(uris: Sequence[str]) -> None:
    most = mcp_settings.MAX_SUBSCRIPTIONS
    if len(uris) > most:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"{len(uris)} resource subscriptions; at most {most} are allowed",
        )
    for uri in uris:
        check_uri(uri)
    if (total := sum(map(len, uris))) > MAX_TOTAL:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"the URIs are {total} characters long together; {MAX_TOTAL} are allowed",
        )


def too_many_subscriptions() -> ErrorAnswer:
    """Refuse one more in a session that has all that it may have."""
    return ErrorAnswer(
        INTERNAL_ERROR,
        f"too many subscriptions; {mcp_settings.MAX_SUBSCRIPTIONS} are allowed",
    )


def check_uri(uri: str) -> None:
    """Refuse a URI that is too long to be looked at.

    Raises:
        ErrorAnswer: It is.
    """
    if len(uri) > MAX_CHARACTERS:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"the URI is {len(uri)} characters long; {MAX_CHARACTERS} are allowed",
        )


async def check_readable(
    server: Server, request: Request, uri: str, *, is_gone: bool = False
) -> None:
    """Refuse a URI that the user of a request may not read.

    A permission that takes the URI's variables decides. Without one the handler is run,
    and what it returns is thrown away.

    Args:
        server: Where the resource is.
        request: Of the user.
        uri: Of the resource.
        is_gone: Whether there is no longer anything to read there. Then a permission
            that takes the variables may still decide, and the handler cannot.

    Raises:
        ResourceNotFound: The user may not, or there is nothing.
        AuthenticationFailed: To read it needs a scope that is not there.
        ServiceAway: What decides about rights does not answer.
        QuestionsAsked: The client has to be asked first.
        Exception: The handler failed.
    """
    try:
        resource, arguments = await server.find_resource(uri, request)
        request.feature = resource.handler.feature
        if resource.permission is None or not resource.permission.particular:
            if is_gone:
                raise ResourceNotFound(uri)
            await resource.read(server, request, uri, arguments)
            return
        values = resource.handler.signature.arguments(arguments)
        await resource.check_permitted(server, request, uri, values)
    except (ResourceNotFound, AuthenticationFailed, ServiceAway):
        raise
    except Exception as error:
        if not isinstance(error, MCPError) and Refusal.of(error) is None:
            raise
        raise ResourceNotFound(uri) from error


async def can_read(
    server: Server,
    request: Request,
    uri: str,
    *,
    is_gone: bool = False,
    was_readable: bool = False,
) -> bool:
    """Say the same where the client cannot be asked, and whatever fails means no.

    Args:
        server: Where the resource is.
        request: Of the user.
        uri: Of the resource.
        is_gone: As for `check_readable`.
        was_readable: Whether the user could read it a moment ago, so that only what
            decides about the resource in general is asked.

    Raises:
        ServiceAway: What decides about rights does not answer.
    """
    try:
        return await _can_read(
            server, request, uri, is_gone=is_gone, was_readable=was_readable
        )
    except AuthenticationFailed:
        return False


async def _can_read(
    server: Server,
    request: Request,
    uri: str,
    *,
    is_gone: bool = False,
    was_readable: bool = False,
) -> bool:
    try:
        with request.lend():
            if was_readable:
                await server.find_resource(uri, silent(request))
            else:
                await check_readable(server, silent(request), uri, is_gone=is_gone)
    except ResourceNotFound:
        return False
    except (AuthenticationFailed, ServiceAway):
        raise
    except QuestionsAsked:
        logger.error(
            "whether %.200r may be read is asked of the client, which %s "
            "cannot, so that it means no: let its permission ask nothing",
            uri,
            request.method,
        )
        return False
    except BaseException as error:
        if ends_task(error):
            raise
        logger.error(
            "whether %.200r may be read cannot be said, which means no; "
            "mend its permission",
            uri,
            exc_info=error,
        )
        return False
    return True


def silent(request: Request) -> Request:
    """Copy a request so that its handler can tell the client nothing."""
    return replace(request, notify=_drop)


async def _drop(method: str, params: JSONObject) -> None:
    pass
