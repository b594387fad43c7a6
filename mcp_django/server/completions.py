"""Completions: what is suggested for an argument of a prompt or template."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.handlers import Handler, Write
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
        guards: Who may see which of them.
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

        result = await self.handler.call(server, request, keywords, _write_completion)
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


def _suggested(found: Any) -> JSONObject:
    """Write the texts that a completion returned.

    Raises:
        TypeError: It is something else than a series of texts.
    """
    if isinstance(found, str | Promise):
        raise TypeError("a completion returned str; return a list of texts")
    return {"values": [str(item) for item in found]}


def _suggested_in_loop(
    request: Request, found: Any
) -> JSONObject | Awaitable[JSONObject]:
    if isinstance(found, str | Promise | list | tuple):
        return _suggested(found)
    # A queryset, or a generator over one, reads its rows while it is iterated.
    return request.run_in_thread(partial(_suggested, found))


_write_completion = Write(_suggested_in_loop, _suggested)
