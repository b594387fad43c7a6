"""Completions: what is suggested for an argument of a prompt or template."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from mcp_types import CompleteRequestParams, PromptReference

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.errors import NOT_PERMITTED, UNKNOWN, unknown_feature
from mcp_django.server.features import Prompt, Resource
from mcp_django.server.handlers import Handler
from mcp_django.server.outcomes import FeatureName
from mcp_django.server.params import check_offered, read_params, texts_in
from mcp_django.server.requests import Request
from mcp_django.server.rights import is_permitted
from mcp_django.server.suggestions import Guard, visible
from mcp_django.server.switched_off import refused, switched_off
from mcp_django.server.uris.identity import referred

if TYPE_CHECKING:
    from mcp_django.server.server import Server

MAX_COMPLETIONS = 100
"""Most values in one completion. Spec: 2025-11-25 server/utilities/completion."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A function that suggests values for an argument of a prompt or template.

    Attributes:
        handler: The function.
        argument: What it suggests values for.
        guards: Say which users may see which of them.
    """

    handler: Handler
    argument: str
    guards: tuple[Guard, ...] = ()

    async def complete(
        self, server: Server, request: Request, value: str, arguments: Mapping[str, str]
    ) -> JSONObject:
        """Suggest values and give the `CompleteResult`.

        Raises:
            TypeError: The function returned something else than a series of texts.
        """
        given: dict[str, Any] = {"value": value}
        if "arguments" in self.handler.signature.input_schema["properties"]:
            given["arguments"] = dict(arguments)
        keywords = self.handler.signature.arguments(given)

        result = await self.handler.call(server, request, keywords, _SUGGESTIONS)
        values = result["values"]
        if self.guards:
            kept, is_all = await visible(
                server,
                request,
                self.guards,
                self.argument,
                values,
                arguments,
                at_most=MAX_COMPLETIONS,
            )
            if not is_all:
                # How many there are in all would tell of those that are hidden.
                return {"completion": {"values": kept, "hasMore": True}}
            values = kept
        return {
            "completion": {
                "values": values[:MAX_COMPLETIONS],
                "total": len(values),
                "hasMore": len(values) > MAX_COMPLETIONS,
            }
        }


class _Suggestions:
    """Writes the texts that a completion returned.

    It raises `TypeError` if that is something else than a series of texts.
    """

    def in_loop(
        self, request: Request, value: Any
    ) -> JSONObject | Awaitable[JSONObject]:
        """Write what an `async def` function returned."""
        if isinstance(value, str | Promise | list | tuple):
            return self.in_thread(value)
        # A queryset, or a generator over one, reads its rows while it is iterated.
        return request.run_in_thread(partial(self.in_thread, value))

    def in_thread(self, value: Any) -> JSONObject:
        """Write what a `def` function returned."""
        if isinstance(value, str | Promise):
            raise TypeError("a completion returned str; return a list of texts")
        return {"values": [str(item) for item in value]}


_SUGGESTIONS = _Suggestions()


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
    if switched_off.is_any and await switched_off.has(server, request, feature):
        kind = "prompt" if isinstance(feature, Prompt) else "resource"
        raise refused(request, kind, name)
    completion = server.completions.get((name, params.argument.name))
    if completion is None:
        return {"completion": {"values": [], "total": 0, "hasMore": False}}
    known = params.context.arguments if params.context else None
    return await completion.complete(
        server, request, params.argument.value, known or {}
    )
