"""Lists of features, page by page.

Spec: 2025-11-25 server/utilities/pagination.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mcp_types import PaginatedRequestParams
from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import methods, versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.versions import Kind
from mcp_django.server.cache_hints import with_hints
from mcp_django.server.errors import MAX_SHOWN
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.params import check_offered, read_params
from mcp_django.server.requests import Request
from mcp_django.server.rights import permitted
from mcp_django.server.showing import shown
from mcp_django.server.switched_off import switched_off

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Feature: TypeAlias = Tool | Resource | Prompt


async def list_features(server: Server, request: Request) -> JSONObject:
    """Give one page of the list that a request names, and the cursor of the next.

    Raises:
        ErrorAnswer: The server has none of it, or there is no such page.
    """
    check_offered(server, request)
    listed = methods.LISTS[request.method]
    cursor = read_params(PaginatedRequestParams, request).cursor
    size = server.page_size or mcp_settings.PAGE_SIZE
    features = await permitted(server, request, _features_of(server, listed.kind))
    start = 0 if cursor is None else _position_after(cursor, features)
    # Later: the last of the page before may have been switched off meanwhile.
    rest = await _without_switched_off(server, request, features[start:])
    page = rest[:size]
    result: JSONObject = {
        listed.member: [
            versions.adapt_entry(listed.kind, shown(server, feature), request.version)
            for feature in page
        ]
    }
    if len(rest) > size:
        result["nextCursor"] = _cursor_after(page[-1])
    return with_hints(request, result, server.cache)


async def permitted_of(
    server: Server, request: Request, kind: Kind
) -> Sequence[Feature]:
    """Give the features of a kind that the user of a request may see and use.

    What is switched off is left out.

    Raises:
        ServiceAway: Django's permissions, or the database, do not answer.
    """
    features = await permitted(server, request, _features_of(server, kind))
    return await _without_switched_off(server, request, features)


async def _without_switched_off(
    server: Server, request: Request, features: Sequence[Feature]
) -> Sequence[Feature]:
    if not switched_off.is_any:
        return features
    return await switched_off.without(server, request, features)


def _features_of(server: Server, kind: Kind) -> Iterable[Feature]:
    match kind:
        case "tool":
            return server.tools.values()
        case "prompt":
            return server.prompts.values()
        case "resource":
            return [r for r in server.resources.values() if r.template is None]
        case _:
            return [r for r in server.resources.values() if r.template is not None]


def _cursor_after(feature: Feature) -> str:
    return base64.urlsafe_b64encode(_identity(feature).encode()).decode()


def _position_after(cursor: str, features: Iterable[Feature]) -> int:
    try:
        last = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        last = None
    for position, feature in enumerate(features, start=1):
        if _identity(feature) == last:
            return position
    raise ErrorAnswer(
        INVALID_PARAMS,
        "unknown cursor; start again without one",
        {"cursor": cursor[:MAX_SHOWN]},
    )


def _identity(feature: Feature) -> str:
    return feature.uri if isinstance(feature, Resource) else feature.name
