"""Checks of what the programs in front of models refuse, or cannot make use of.

What they all take is less than what the protocol allows: names and schemas of tools
become those of a model's own functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.core import checks

from mcp_django.checks.servers import known_servers
from mcp_django.server.features import Tool
from mcp_django.server.schemas.references import parts_of
from mcp_django.server.server import Server

_LONGEST_NAME: Final = 64
_LONGEST_VALID_NAME: Final = 128
_COMBINATORS: Final = ("anyOf", "oneOf", "allOf")


def check_hosts_of_models(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find tools that common hosts leave out, or whose models cannot choose them."""
    return [
        message
        for server in known_servers()
        for tool in server.tools.values()
        for message in _faults_of(server, tool)
    ]


def _faults_of(server: Server, tool: Tool) -> Iterator[checks.CheckMessage]:
    description = tool.entry.get("description", "")
    # Whether lazy texts can be made is the business of `check_texts`.
    if isinstance(description, str) and not description.strip():
        yield checks.Warning(
            f"Tool {tool.name!r} has no description, by which models choose tools.",
            hint="Write a docstring, or pass description=.",
            obj=server,
            id="mcp_django.W015",
        )
    # Other names are refused by all; `check_servers` says so.
    is_long = _LONGEST_NAME < len(tool.name) <= _LONGEST_VALID_NAME
    has_dot = "." in tool.name
    if is_long or has_dot:
        reason = "longer than 64 characters" if is_long else "with a dot"
        yield checks.Warning(
            f"Tool {tool.name!r} has a name {reason}, and many hosts refuse it.",
            hint="Pass name= with at most 64 of A-Z a-z 0-9 _ -.",
            obj=server,
            id="mcp_django.W016",
        )
    schema: Any = tool.entry.get("inputSchema")
    for keyword in _COMBINATORS:
        if keyword in schema:
            yield checks.Warning(
                f"The inputSchema of tool {tool.name!r} has {keyword!r} at its top, "
                "and many hosts refuse it.",
                hint="List every argument in 'properties', optional where one or the "
                "other is needed, and check in the tool what goes together.",
                obj=server,
                id="mcp_django.W062",
            )
    if places := sorted(set(_arrays_without_items(schema, ""))):
        yield checks.Warning(
            f"The inputSchema of tool {tool.name!r} has arrays without 'items', and "
            f"many hosts refuse it: {', '.join(map(repr, places))}.",
            hint="Take a list of one type, or an object, in the place of a tuple.",
            obj=server,
            id="mcp_django.W063",
        )


def _arrays_without_items(schema: Any, name: str) -> Iterator[str]:
    """Yield the arguments of which a part is an array that does not say of what.

    Args:
        schema: A schema, or a part of one.
        name: The argument that it is of; "" at the top.
    """
    if not isinstance(schema, dict):
        return
    is_array = schema.get("type") == "array" or "prefixItems" in schema
    if is_array and not isinstance(schema.get("items"), dict):
        yield name
    named = schema.get("properties")
    if not name and isinstance(named, dict):
        for argument, part in named.items():
            yield from _arrays_without_items(part, argument)
        schema = {key: part for key, part in schema.items() if key != "properties"}
    for part in parts_of(schema):
        yield from _arrays_without_items(part, name)
