"""Completing an argument of a prompt or template, as a client asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_types import CompleteRequestParams, PromptReference

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.errors import NOT_PERMITTED, UNKNOWN, unknown_feature
from mcp_django.server.features import Prompt, Resource
from mcp_django.server.identity import referred
from mcp_django.server.outcomes import FeatureName
from mcp_django.server.params import check_offered, read_params, texts_in
from mcp_django.server.requests import Request
from mcp_django.server.rights import is_permitted

if TYPE_CHECKING:
    from mcp_django.server.server import Server


async def complete(server: Server, request: Request) -> JSONObject:
    """Suggest values for an argument; none where nothing suggests any.

    Raises:
        ErrorAnswer: There is no such prompt or template, or not for this user.

    Spec: 2025-11-25 server/utilities/completion, "Error Handling".
    """
    check_offered(server, request)
    context = request.params.get("context")
    if isinstance(context, dict):
        context = {**context, "arguments": texts_in(context.get("arguments"))}
    params = read_params(CompleteRequestParams, request, context=context)
    match params.ref:
        case PromptReference(name=name):
            request.feature = FeatureName.unknown("prompt", name)
            feature: Prompt | Resource | None = server.prompts.get(name)
        case template:
            request.feature = FeatureName.unknown("resource", template.uri)
            feature = referred(server.resources, template.uri)
            name = template.uri if feature is None else feature.uri
    if feature is None:
        raise unknown_feature("reference", name, UNKNOWN)
    request.feature = feature.handler.feature
    if not await is_permitted(server, request, feature):
        raise unknown_feature("reference", name, NOT_PERMITTED)
    completion = server.completions.get((name, params.argument.name))
    if completion is None:
        return {"completion": {"values": [], "total": 0, "hasMore": False}}
    known = params.context.arguments if params.context else None
    return await completion.complete(
        server, request, params.argument.value, known or {}
    )
