"""Definitions in the places where schemas refer to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcp_django.server.schemas.references import (
    MAX_GROWTH,
    recursive_in,
    references_in,
    without_references,
)

GENRE = {"type": "string", "enum": ["novel", "poem"], "description": "What it is."}
A_GENRE = {"$ref": "#/$defs/Genre"}
LONG = {"description": "x" * 500}


def holding(*parts: Any, **definitions: Any) -> dict[str, Any]:
    """Make a schema of an object with a property for each part."""
    properties = {f"p{number}": part for number, part in enumerate(parts)}
    return {"type": "object", "properties": properties, "$defs": definitions}


def inlined(*parts: Any, **definitions: Any) -> list[Any]:
    """Give the parts as they are without references; there must be none left."""
    schema = without_references(holding(*parts, **definitions))
    assert "$defs" not in schema
    return list(schema["properties"].values())


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (A_GENRE, GENRE),
        (
            {"anyOf": [A_GENRE, {"type": "null"}], "default": None},
            {"anyOf": [GENRE, {"type": "null"}], "default": None},
        ),
        (
            {**A_GENRE, "default": "poem", "title": "Genre", "description": "Which?"},
            {**GENRE, "default": "poem", "title": "Genre", "description": "Which?"},
        ),
        ({"type": "array", "items": A_GENRE}, {"type": "array", "items": GENRE}),
        ({"prefixItems": [A_GENRE, True]}, {"prefixItems": [GENRE, True]}),
        ({"additionalProperties": A_GENRE}, {"additionalProperties": GENRE}),
        ({"propertyNames": A_GENRE}, {"propertyNames": GENRE}),
        ({"patternProperties": {"^a": A_GENRE}}, {"patternProperties": {"^a": GENRE}}),
        ({"not": A_GENRE}, {"not": GENRE}),
        ({"allOf": [A_GENRE]}, {"allOf": [GENRE]}),
        # What looks like a reference, and is data or a property's name.
        ({"default": A_GENRE}, {"default": A_GENRE}),
        ({"const": A_GENRE}, {"const": A_GENRE}),
        ({"enum": [A_GENRE]}, {"enum": [A_GENRE]}),
        ({"examples": [A_GENRE]}, {"examples": [A_GENRE]}),
        ({"properties": {"$ref": A_GENRE}}, {"properties": {"$ref": GENRE}}),
        ({"$ref": "#/$defs/Nothing"}, {"$ref": "#/$defs/Nothing"}),
        ({"$ref": "https://example.com/"}, {"$ref": "https://example.com/"}),
        # Rules that one object cannot say.
        (
            {**A_GENRE, "enum": ["poem"], "default": "poem"},
            {"enum": ["poem"], "default": "poem", "allOf": [GENRE]},
        ),
        ({**A_GENRE, "type": "string"}, GENRE),
    ],
)
def test_definition_is_put_where_it_is_referred_to(part: Any, expected: Any) -> None:
    """We chose it; what stands beside a reference wins, if it is no rule."""
    assert inlined(part, Genre=GENRE) == [expected]


@pytest.mark.parametrize("definition", [True, False])
def test_definition_may_be_a_boolean(definition: bool) -> None:
    """Spec: JSON Schema 2020-12, 4.3.2: true and false are schemas."""
    assert inlined({"$ref": "#/$defs/A"}, A=definition) == [{"allOf": [definition]}]


def test_schema_without_definitions_stays_what_it_is() -> None:
    """We chose it."""
    schema = {"type": "object", "properties": {"$defs": {"type": "string"}}}
    assert without_references(schema) == schema


def test_given_schema_is_left_untouched() -> None:
    """We chose it."""
    schema = holding(A_GENRE, Genre=GENRE)
    before = json.dumps(schema)
    without_references(schema)
    assert json.dumps(schema) == before


def test_definitions_of_definitions_are_put_in_as_well() -> None:
    """We chose it."""
    book = {"type": "object", "properties": {"genre": A_GENRE}}
    assert inlined({"$ref": "#/$defs/Book"}, Book=book, Genre=GENRE) == [
        {"type": "object", "properties": {"genre": GENRE}}
    ]


def test_recursive_definitions_stay_with_others_put_into_them() -> None:
    """We chose it, as there is no other way to write them."""
    node = {"properties": {"genre": A_GENRE, "leaf": {"$ref": "#/$defs/Leaf"}}}
    leaf = {"properties": {"node": {"$ref": "#/$defs/Node"}}}
    holder = {"items": {"$ref": "#/$defs/Node"}}
    definitions = {"Genre": GENRE, "Node": node, "Leaf": leaf, "Holder": holder}
    schema = holding({"$ref": "#/$defs/Holder"}, A_GENRE, **definitions)

    assert without_references(schema) == {
        "type": "object",
        "properties": {"p0": {"items": {"$ref": "#/$defs/Node"}}, "p1": GENRE},
        "$defs": {
            "Node": {"properties": {"genre": GENRE, "leaf": {"$ref": "#/$defs/Leaf"}}},
            "Leaf": {"properties": {"node": {"$ref": "#/$defs/Node"}}},
        },
    }
    assert recursive_in(schema["$defs"]) == {"Node", "Leaf"}


def test_discriminator_names_no_definition_that_is_gone() -> None:
    """Spec: OpenAPI 3.1.0, 4.8.25: the mapping may be left out."""
    one_of = [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Tree"}]
    mapping = {"cat": "#/$defs/Cat", "tree": "#/$defs/Tree"}
    part = {
        "oneOf": one_of,
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    }
    cat = {"properties": {"kind": {"const": "cat"}}}
    tree = {"properties": {"kind": {"const": "tree"}, "tree": {"$ref": "#/$defs/Tree"}}}

    schema = without_references(holding(part, Cat=cat, Tree=tree))

    assert schema["properties"]["p0"] == {
        "oneOf": [cat, {"$ref": "#/$defs/Tree"}],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"tree": "#/$defs/Tree"},
        },
    }
    assert inlined({**part, "oneOf": one_of[:1]}, Cat=cat, Tree=cat)[0] == {
        "oneOf": [cat],
        "discriminator": {"propertyName": "kind"},
    }


def test_definition_that_would_double_the_schema_stays_alone() -> None:
    """We chose to put in the shorter ones all the same: enums are lost most often."""
    a_long = {"$ref": "#/$defs/Long"}
    schema = holding(a_long, a_long, a_long, A_GENRE, Genre=GENRE, Long=LONG)

    assert without_references(schema) == {
        "type": "object",
        "properties": {"p0": a_long, "p1": a_long, "p2": a_long, "p3": GENRE},
        "$defs": {"Long": LONG},
    }
    assert inlined(a_long, a_long, Long=LONG) == [LONG, LONG]


def test_schema_that_would_grow_without_end_is_read_in_no_time() -> None:
    """We chose it: forty definitions, each with the next one twice."""
    definitions: dict[str, Any] = {
        f"d{n}": {"prefixItems": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)
    } | {"d40": {"type": "null"}}
    schema = holding({"$ref": "#/$defs/d0"}, **definitions)

    written = without_references(schema)

    assert len(json.dumps(written)) <= MAX_GROWTH * len(json.dumps(schema))
    assert set(references_in(written)) <= {
        f"#/$defs/{name}" for name in written["$defs"]
    }


NAMES = ["a", "b", "c", "d"]
REFERENCE = st.sampled_from(NAMES).map(lambda name: {"$ref": f"#/$defs/{name}"})
SCHEMAS = st.recursive(
    REFERENCE | st.sampled_from([{"type": "string"}, {"type": "integer"}, GENRE]),
    lambda inner: (
        st.builds(lambda part: {"type": "array", "items": part}, inner)
        | st.builds(lambda part: {"type": "object", "properties": {"p": part}}, inner)
        | st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1))
        | st.builds(lambda part: {**part, "description": "Beside."}, REFERENCE)
    ),
    max_leaves=5,
)
VALUES = st.recursive(
    st.sampled_from(["poem", "x", 3, None]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.just("p"), inner, max_size=1)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.lists(SCHEMAS, min_size=4, max_size=4), SCHEMAS, VALUES)
def test_same_values_are_valid_before_and_after(
    definitions: list[Any], part: Any, value: Any
) -> None:
    """We chose it: only the spelling changes."""
    schema = {"items": part, "$defs": dict(zip(NAMES, definitions, strict=True))}
    written = without_references(schema)

    def is_valid(schema: Any) -> bool | None:
        try:
            return bool(Draft202012Validator(schema).is_valid([value]))
        except RecursionError:
            return None  # a definition that is nothing but itself

    assert is_valid(written) == is_valid(schema)
    assert {r.removeprefix("#/$defs/") for r in references_in(written)} <= set(
        written.get("$defs", ())
    )
