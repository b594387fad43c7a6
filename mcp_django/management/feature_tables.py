"""What a server offers, as tables for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from mcp_django.management.described import name_permission, resources_of
from mcp_django.management.tables import NONE, Cell, write_table
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.schemas.words import type_in_words
from mcp_django.server.server import Server
from mcp_django.server.showing import translated
from mcp_django.server.switched_off import switched_off
from mcp_django.server.texts import readable

Feature: TypeAlias = Tool | Resource | Prompt

_MAX_WIDTH: Final = 48
_OFF: Final = "(switched off)"


def show(server: Server) -> str:
    """Write a server's title, and a table of each kind of feature."""
    fixed, templates = resources_of(server)
    tables = [
        _table_of(
            server,
            "Tools",
            ("NAME", "ARGUMENTS", "RESULT"),
            (
                (t, _members(t.entry["inputSchema"]), _result(t))
                for t in server.tools.values()
            ),
        ),
        _table_of(server, "Resources", ("URI", "TYPE"), ((r, _type(r)) for r in fixed)),
        _table_of(
            server,
            "Resource templates",
            ("URI", "VARIABLES", "TYPE"),
            ((r, _variables(r), _type(r)) for r in templates),
        ),
        _table_of(
            server,
            "Prompts",
            ("NAME", "ARGUMENTS"),
            ((p, _variables(p)) for p in server.prompts.values()),
        ),
        _completions(server),
    ]
    return "\n\n".join([title_of(server), *filter(None, tables)])


def title_of(server: Server) -> str:
    """Name a server, with its version and title."""
    described = translated(server, server.implementation)
    titles = [described.get(key) for key in ("version", "title")]
    return "  ".join(["Server", server.name, *(title for title in titles if title)])


def identity_of(server: Server, feature: Feature) -> Cell:
    """Name a feature by what no other of its kind has, and say if it is off."""
    name = feature.uri if isinstance(feature, Resource) else feature.name
    return [name, *([_OFF] if switched_off.covers(server, feature) else [])]


def _table_of(
    server: Server,
    title: str,
    heads: Sequence[str],
    rows: Iterable[tuple[Feature, *tuple[Cell, ...]]],
) -> str:
    """Write a table of features, what they need, and what they are; "" without any.

    Args:
        server: Where the features are.
        title: Above the table.
        heads: Of the columns that this kind of feature has.
        rows: Each a feature and its cells under `heads`, but for the first.
    """
    table = [
        [
            identity_of(server, feature),
            *cells,
            [name_permission(feature.permission) or NONE],
            sorted(feature.scopes),
            _description(feature),
        ]
        for feature, *cells in rows
    ]
    return write_table(title, [*heads, "PERMISSION", "SCOPES", "DESCRIPTION"], table)


def _completions(server: Server) -> str:
    rows = [[[of], [argument]] for of, argument in server.completions]
    return write_table("Completions", ["OF", "ARGUMENT"], rows)


def _description(feature: Feature) -> Cell:
    entry = readable(feature.entry, str(feature.handler.feature))
    description = str(entry.get("description", NONE))
    first_paragraph = description.partition("\n\n")[0]
    return textwrap.wrap(first_paragraph, _MAX_WIDTH) or [NONE]


def _members(schema: Mapping[str, JSON]) -> Cell:
    """Write the properties of an object, each such as "a: integer" or "b?: string"."""
    required = schema.get("required", ())
    return [
        line
        for name, member in schema.get("properties", {}).items()
        for line in _wrapped(
            f"{name}{'' if name in required else '?'}: {type_in_words(member)}"
        )
    ] or [NONE]


def _wrapped(text: str) -> Cell:
    return textwrap.wrap(
        text, _MAX_WIDTH, subsequent_indent="  ", break_on_hyphens=False
    )


def _variables(feature: Resource | Prompt) -> Cell:
    return _members(feature.handler.signature.input_schema)


def _type(resource: Resource) -> Cell:
    return [resource.mime_type or NONE]


def _result(tool: Tool) -> Cell:
    schema = tool.entry.get("outputSchema")
    if schema is None:
        return [NONE]
    return (
        _members(schema)
        if schema.get("properties")
        else _wrapped(type_in_words(schema))
    )
