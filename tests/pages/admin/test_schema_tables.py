"""JSON Schemas as tables."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_django.pages.admin.schema_tables import Member, Table, tables_of


def test_members_are_told_with_what_is_in_them() -> None:
    """We promise it: in the order of the schema, and by their paths."""
    schema = {
        "properties": {
            "book": {
                "type": "object",
                "description": "Which one.",
                "properties": {"isbn": {"type": "string", "pattern": "^[0-9]+$"}},
            },
            "tags": {"type": "array", "items": {"properties": {"x": True}}},
            "limit": {"type": "integer", "default": 10, "minimum": 1},
        },
        "required": ["book"],
    }

    assert tables_of(schema) == [
        Table(
            "",
            [
                Member("book", "object", True, None, "Which one.", []),
                Member("book.isbn", "string", False, None, "", ['pattern: "^[0-9]+$"']),
                Member("tags", "array of any", False, None, "", []),
                Member("tags[].x", "any", False, None, "", []),
                Member("limit", "integer", False, "10", "", ["minimum: 1"]),
            ],
        )
    ]


def test_what_is_defined_for_several_places_has_a_table() -> None:
    """We promise it: it may contain itself."""
    node = {"properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node, "Name": {"type": "null"}}}

    [table] = tables_of(schema)

    assert table.name == "Node"
    assert [member.type for member in table.members] == ["Node"]


def test_members_of_alternatives_are_told() -> None:
    """We promise it."""
    schema = {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}, True]}

    [table] = tables_of(schema)

    assert [member.name for member in table.members] == ["a", "b"]


@pytest.mark.parametrize(
    "schema", [True, None, {}, {"type": "string"}, {"properties": 5, "$defs": []}]
)
def test_what_has_no_members_has_no_table(schema: Any) -> None:
    """Chosen."""
    assert tables_of(schema) == []


def test_schema_that_is_nested_deeply_is_cut() -> None:
    """Chosen: all of it is told as JSON."""
    schema: dict[str, Any] = {}
    for _ in range(2000):
        schema = {"properties": {"a": schema}}

    [table] = tables_of(schema)

    assert len(table.members) == 8
