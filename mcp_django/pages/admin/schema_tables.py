"""JSON Schemas as tables of their members, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.schemas.words import type_in_words

_LIMITS: Final = (
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
)
"""What is shown of a member beside its type, by the words of JSON Schema."""

_MAX_DEPTH: Final = 8


class Member(NamedTuple):
    """One member of an object, as a schema describes it.

    Attributes:
        name: With those of the members that it is in.
        type: In a few words, such as "array of string".
        is_required: Whether it may not be left out.
        default: As JSON; None without one.
        description: In words; "" without any.
        limits: Such as "maximum: 50".
    """

    name: str
    type: str
    is_required: bool
    default: str | None
    description: str
    limits: list[str]


class Table(NamedTuple):
    """The members of one object.

    Attributes:
        name: Of what the schema defines for several places; "" for the schema itself.
        members: In the order of the schema.
    """

    name: str
    members: list[Member]


def tables_of(schema: JSON) -> list[Table]:
    """Give the members of a schema, and those of each object that it defines.

    Members of members follow them, each by its path, such as "author.name" or
    "books[].isbn". What is no object with members is in no table.
    """
    if not isinstance(schema, Mapping):
        return []
    defined = schema.get("$defs")
    named = defined.items() if isinstance(defined, Mapping) else ()
    found = [("", schema), *named]
    tables = [Table(name, list(_inside(each, ""))) for name, each in found]
    return [table for table in tables if table.members]


def _inside(schema: Any, path: str, depth: int = 0) -> Iterator[Member]:
    """Give the members that are in what a schema describes.

    Args:
        schema: It may be nested deeper than is of use.
        path: Of what it describes; "" for all of it.
        depth: Of the schema.
    """
    if not isinstance(schema, Mapping) or depth >= _MAX_DEPTH:
        return
    properties = schema.get("properties")
    for name, member in properties.items() if isinstance(properties, Mapping) else ():
        inner = f"{path}.{name}" if path else name
        yield _member(inner, member, is_required=name in schema.get("required", ()))
        yield from _inside(member, inner, depth + 1)
    yield from _inside(schema.get("items"), f"{path}[]", depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        several = schema.get(key)
        for one in several if isinstance(several, list) else ():
            yield from _inside(one, path, depth + 1)


def _member(name: str, schema: JSON, *, is_required: bool) -> Member:
    said = schema if isinstance(schema, Mapping) else {}
    return Member(
        name=name,
        type=type_in_words(schema),
        is_required=is_required,
        default=_json(said["default"]) if "default" in said else None,
        description=str(said.get("description", "")),
        limits=[f"{key}: {_json(said[key])}" for key in _LIMITS if key in said],
    )


def _json(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)
