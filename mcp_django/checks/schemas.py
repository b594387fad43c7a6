"""Checks of the schemas that tools publish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

from mcp_django.checks.servers import known_servers
from mcp_django.server.features import Tool
from mcp_django.server.schemas.references import recursive_in, references_in
from mcp_django.server.server import Server


def check_schemas(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find schemas that refer to definitions, which many hosts do not follow."""
    return [
        message
        for server in known_servers()
        for tool in server.tools.values()
        for message in _references_of(server, tool)
    ]


def _references_of(server: Server, tool: Tool) -> Iterator[checks.CheckMessage]:
    signature, output = tool.handler.signature, tool.output
    for member, option, is_verbatim in (
        ("inputSchema", "input_schema", signature.is_verbatim),
        ("outputSchema", "output_schema", output.is_verbatim),
    ):
        schema: Any = tool.entry.get(member)
        found = sorted(set(references_in(schema)))
        if not found:
            continue
        if is_verbatim or not schema.get("$defs"):
            names = ", ".join(map(repr, found))
            yield checks.Warning(
                f"The {option} of tool {tool.name!r} refers to {names}; many hosts "
                "do not follow references, and tell their models of another type.",
                hint="Write what is referred to in the place of each reference.",
                obj=server,
                id="mcp_django.W061",
            )
        else:
            yield checks.Warning(
                f"The {member} of tool {tool.name!r} has definitions, which many "
                f"hosts do not follow: {_reasons(schema['$defs'])}.",
                hint="Use types that do not contain themselves and are used in fewer "
                "places, or tell in the tool's description what is expected.",
                obj=server,
                id="mcp_django.W060",
            )


def _reasons(definitions: dict[str, Any]) -> str:
    """Say why each definition was not put in the places of references to it."""
    recursive = recursive_in(definitions)
    return "; ".join(
        f"{name!r} contains itself"
        if name in recursive
        else f"{name!r} in all its places would more than double the schema"
        for name in definitions
    )
