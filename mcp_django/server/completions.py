"""Completions: what is suggested for an argument of a prompt or template."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.handlers import Handler
from mcp_django.server.requests import Request
from mcp_django.server.suggestions import Guard, visible

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
