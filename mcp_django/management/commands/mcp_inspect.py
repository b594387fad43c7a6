"""`manage.py mcp_inspect`: what the project's servers offer."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.management.terminal import printable
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.discovery import all_servers
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.permissions import Permissions
from mcp_django.server.schemas.words import type_in_words
from mcp_django.server.server import Server
from mcp_django.server.showing import shown, translated
from mcp_django.server.texts import readable

_NONE = "-"
_MAX_WIDTH = 48

Cell: TypeAlias = Sequence[str]
"""The lines of one cell of a table."""


class Command(BaseCommand):
    """Show every server with its features, their schemas and permissions."""

    help = "Show every MCP server with its features, their schemas and permissions."
    requires_system_checks = ()
    """None: who looks for what a check complains about has to see it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--server", metavar="NAME", help="only the server of this name"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="write JSON, with complete schemas, in the order of registering",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the table, or the JSON text."""
        servers = _select(options["server"])
        if options["json"]:
            described = {"servers": [_describe(server) for server in servers]}
            self.stdout.write(json.dumps(described, indent=2, ensure_ascii=False))
        elif servers:
            self.stdout.write("\n\n".join(map(_show, servers)))
        else:
            self.stdout.write("There are no servers: no app's mcp.py has made one.")


def _select(name: str | None) -> list[Server]:
    """Give the servers of a name, or all.

    Raises:
        CommandError: None has the name.
    """
    servers = all_servers()
    if name is None:
        return servers
    found = [server for server in servers if server.name == name]
    if not found:
        known = ", ".join(repr(server.name) for server in servers) or "none at all"
        raise CommandError(f"there is no server {name!r}; there is {known}")
    return found


# As JSON ------------------------------------------------------------------------


def _describe(server: Server) -> JSONObject:
    described: JSONObject = dict(translated(server, server.implementation))
    if instructions := translated(server, {"instructions": server.instructions}).get(
        "instructions"
    ):
        described["instructions"] = instructions
    fixed, templates = _resources(server)
    return described | {
        "scopes": translated(server, dict(server.scopes)),
        "loginScopes": list(server.login_scopes),
        "tools": [_describe_feature(server, tool) for tool in server.tools.values()],
        "resources": [_describe_feature(server, resource) for resource in fixed],
        "resourceTemplates": [
            _describe_feature(server, template)
            | {"variables": translated(server, template.handler.signature.input_schema)}
            for template in templates
        ],
        "prompts": [
            _describe_feature(server, prompt) for prompt in server.prompts.values()
        ],
        "completions": [
            {
                "of": of,
                "argument": argument,
                "handler": _path(c.handler.signature.function),
            }
            for (of, argument), c in server.completions.items()
        ],
    }


def _describe_feature(server: Server, feature: Tool | Resource | Prompt) -> JSONObject:
    """Give what clients see of a feature, and what they do not see."""
    return shown(server, feature) | {
        "permission": _name_permission(feature.permission),
        "scopes": sorted(feature.scopes),
        "handler": _path(feature.handler.signature.function),
    }


def _resources(server: Server) -> tuple[list[Resource], list[Resource]]:
    """Give fixed resources and templates."""
    resources = server.resources.values()
    return (
        [resource for resource in resources if resource.template is None],
        [resource for resource in resources if resource.template is not None],
    )


def _name_permission(permission: Permissions | None) -> str | None:
    """Name permissions: Django's names, and paths of the functions that decide."""
    return None if permission is None else str(permission)


def _path(function: Callable[..., Any]) -> str:
    """Give the dotted path of a function, or of what else can be called."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


# As tables ----------------------------------------------------------------------


def _show(server: Server) -> str:
    fixed, templates = _resources(server)
    described = translated(server, server.implementation)
    titles = [described.get(key) for key in ("version", "title")]
    tables = [
        _table_of(
            "Tools",
            ("NAME", "ARGUMENTS", "RESULT"),
            (
                (t, [t.name], _members(t.entry["inputSchema"]), _result(t))
                for t in server.tools.values()
            ),
        ),
        _table_of(
            "Resources",
            ("URI", "TYPE"),
            ((r, [r.uri], [r.mime_type or _NONE]) for r in fixed),
        ),
        _table_of(
            "Resource templates",
            ("URI", "VARIABLES", "TYPE"),
            ((r, [r.uri], _variables(r), [r.mime_type or _NONE]) for r in templates),
        ),
        _table_of(
            "Prompts",
            ("NAME", "ARGUMENTS"),
            ((p, [p.name], _variables(p)) for p in server.prompts.values()),
        ),
        _completions(server),
    ]
    title = "  ".join(["Server", server.name, *(title for title in titles if title)])
    return "\n\n".join([title, *filter(None, tables)])


def _table_of(
    title: str, heads: Sequence[str], rows: Iterable[tuple[Any, *tuple[Cell, ...]]]
) -> str:
    """Write a table of features, what they need, and what they are; "" without any.

    Args:
        title: Above the table.
        heads: Of the columns that this kind of feature has.
        rows: Each a feature and its cells under `heads`.
    """
    table = [
        [
            *cells,
            [_name_permission(feature.permission) or _NONE],
            sorted(feature.scopes),
            _description(feature),
        ]
        for feature, *cells in rows
    ]
    return _write(title, [*heads, "PERMISSION", "SCOPES", "DESCRIPTION"], table)


def _completions(server: Server) -> str:
    rows = [[[of], [argument]] for of, argument in server.completions]
    return _write("Completions", ["OF", "ARGUMENT"], rows)


def _write(title: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Align cells in columns; "" if there are no rows."""
    if not rows:
        return ""
    table = [[[head] for head in heads], *rows]
    widths = [
        max(len(line) for cell in column for line in cell)
        for column in zip(*table, strict=True)
    ]
    lines = [title]
    for row in table:
        for parts in zip_longest(*row, fillvalue=""):
            aligned = map(str.ljust, map(printable, parts), widths)
            lines.append(f"  {'  '.join(aligned)}".rstrip())
    return "\n".join(lines)


def _description(feature: Tool | Resource | Prompt) -> Cell:
    entry = readable(feature.entry, str(feature.handler.feature))
    description = str(entry.get("description", _NONE))
    first_paragraph = description.partition("\n\n")[0]
    return textwrap.wrap(first_paragraph, _MAX_WIDTH) or [_NONE]


# Schemas in a few words ---------------------------------------------------------


def _members(schema: Mapping[str, JSON]) -> Cell:
    """Write the properties of an object, each such as "a: integer" or "b?: string"."""
    required = schema.get("required", ())
    return [
        f"{name}{'' if name in required else '?'}: {type_in_words(member)}"
        for name, member in schema.get("properties", {}).items()
    ] or [_NONE]


def _variables(feature: Resource | Prompt) -> Cell:
    return _members(feature.handler.signature.input_schema)


def _result(tool: Tool) -> Cell:
    schema = tool.entry.get("outputSchema")
    if schema is None:
        return [_NONE]
    return _members(schema) if schema.get("properties") else [type_in_words(schema)]
