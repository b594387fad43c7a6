"""Plain schemas, which can be compiled, and others, which are not."""

from __future__ import annotations

import time

import pytest

from mcp_django.protocol.compiled_schemas import compile_schema
from mcp_django.protocol.jsonrpc import JSON, JSONObject

TAGGED: JSONObject = {
    "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
    "discriminator": {"propertyName": "kind"},
    "$defs": {
        name: {
            "type": "object",
            "properties": {"kind": {"const": name}, "age": {"type": "integer"}},
            "required": ["kind", "age"],
        }
        for name in ("Cat", "Dog")
    },
}
PLAIN: dict[str, tuple[JSON, JSON, JSON]] = {
    "anything": (True, 1, ...),
    "one of some numbers": ({"enum": [1, 2, "a", None]}, 1.0, True),
    "names of any kind": (
        {"type": "object", "propertyNames": {"type": "string"}},
        {"a": 1},
        1,
    ),
    "a whole number": ({"type": "integer"}, 3.0, 3.5),
    "a number that is no boolean": ({"type": "number"}, 1, True),
    "a very large number": ({"type": "number", "minimum": 0.5}, 10**400, 0),
    "a union that excludes its parts by types": (
        {"oneOf": [{"type": "string"}, {"type": ["null", "integer"]}]},
        None,
        1.5,
    ),
    "a union that excludes its parts by a tag": (
        TAGGED,
        {"kind": "Dog", "age": 3},
        {"kind": "Cow", "age": 3},
    ),
    "what an older dialect has alike": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "null"},
        None,
        0,
    ),
    "a tuple": (
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
        [1, "a"],
        ["a", 1],
    ),
    "a tuple with more behind it": (
        {
            "prefixItems": [{"type": "integer"}],
            "items": {"type": "string"},
            "minItems": 1,
        },
        [1, "a", "b"],
        [1, "a", 2],
    ),
    "a tuple with nothing behind it": (
        {"prefixItems": [{}], "items": False, "minItems": 1},
        [1],
        [1, 2],
    ),
    "a set": (
        {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/C"}}
        | {"$defs": {"C": {"type": ["string", "number"]}}},
        ["1", 1, 2],
        [1, "1", 1.0],
    ),
    "all of some, and a type": (
        {"type": "string", "allOf": [{"minLength": 2}, {"maxLength": 3}]},
        "ab",
        "abcd",
    ),
    "a tree": (
        {
            "properties": {"kids": {"items": {"$ref": "#"}}, "n": {"type": "integer"}},
            "type": "object",
        },
        {"kids": [{"kids": [], "n": 1}], "n": 2},
        {"kids": [{"kids": [{"n": "1"}]}]},
    ),
    "two kinds that contain each other": (
        {
            "$defs": {
                "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}},
                "B": {
                    "type": "object",
                    "properties": {
                        "a": {"$ref": "#/$defs/A"},
                        "b": {"$ref": "#/$defs/B"},
                        "n": {"type": "null"},
                    },
                },
            },
            "prefixItems": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
            "minItems": 2,
        },
        [{"b": {"a": {"b": {"n": None}}}}, {"b": {"n": None}}],
        [{"b": {"a": {"b": {"n": 1}}}}, {}],
    ),
    "any JSON but booleans": (
        {
            "$ref": "#/$defs/J",
            "$defs": {
                "J": {
                    "anyOf": [
                        {
                            "type": "object",
                            "additionalProperties": {"$ref": "#/$defs/J"},
                        },
                        {"type": "array", "items": {"$ref": "#/$defs/J"}},
                        {"type": ["string", "number", "null"]},
                    ]
                }
            },
        },
        {"a": [1, {"b": None}]},
        {"a": [1, {"b": True}]},
    ),
    "members of one kind": (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"a": 1},
        {"a": "b"},
    ),
    "a member that is required, and no more": (
        {"required": ["a"], "additionalProperties": {"type": "null"}},
        {"a": None},
        {"a": 1},
    ),
}


@pytest.mark.parametrize(("schema", "fit", "unfit"), PLAIN.values(), ids=PLAIN)
def test_plain_schema_is_compiled(schema: JSON, fit: JSON, unfit: JSON) -> None:
    """We promise it: most schemas are made of these."""
    compiled = compile_schema(schema)
    assert compiled is not None
    assert compiled.find_fault(fit) is None
    if unfit is not ...:
        assert compiled.find_fault(unfit) is not None


OTHERS: dict[str, JSON] = {
    "false": False,
    "a reference to itself": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#"},
    "a union of references that turn in circles": {
        "$defs": {"a": {"$ref": "#/$defs/a"}},
        "oneOf": [{"$ref": "#/$defs/a"}, {"type": "null"}],
    },
    "a tree that doubles on each level": {
        "properties": {"a": {"anyOf": [{"$ref": "#"}, {"items": {"$ref": "#"}}]}}
    },
    "a tree that two parts look at": {
        "allOf": [
            {"properties": {"a": {"$ref": "#"}}},
            {"properties": {"a": {"$ref": "#"}}},
        ]
    },
    "a part that is itself": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    "a reference elsewhere": {"$ref": "https://example.com/schema.json"},
    "a reference to nothing": {"$ref": "#/$defs/a"},
    "a reference with something beside it": {"$ref": "#/$defs/a", "type": "null"},
    "an anchor": {"$anchor": "a", "type": "null"},
    "a base": {"$id": "https://example.com/", "type": "null"},
    "a dialect with other numbers": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "integer",
    },
    "a dialect within": {
        "properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}
    },
    "names by a pattern": {"patternProperties": {"a": {}}},
    "items that differ": {"uniqueItems": True},
    "items that differ, some of which are booleans": {
        "uniqueItems": True,
        "items": {"type": ["boolean", "number"]},
    },
    "items by their place, some of which may be missing": {"prefixItems": [{}]},
    "items by their place, and each once": {
        "prefixItems": [{}],
        "minItems": 1,
        "uniqueItems": True,
    },
    "items by their place, which its dialect does not have": {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "prefixItems": [{}],
        "minItems": 1,
    },
    "items by their place, as of old": {"items": [{}]},
    "an exclusion": {"not": {}},
    "a condition": {"if": {}, "then": {}},
    "a union that does not exclude": {"oneOf": [{"type": "number"}, {"minimum": 1}]},
    "a value that is a fraction": {"const": 1.5},
    "values that are booleans": {"enum": [True, "a"]},
    "names that are not any": {"propertyNames": {"type": "string", "minLength": 1}},
    "values with a length": {"enum": ["a"], "minLength": 1},
    "values of another type": {"enum": ["a"], "type": "null"},
    "a pattern that counts": {"pattern": "(a{9}){9}"},
    "a pattern that nobody knows": {"pattern": "(?=a)"},
    "a bound beyond counting": {"minimum": 1e300},
    "a bound of old": {"exclusiveMinimum": True},
    "a length that is no integer": {"minLength": 1.0},
    "a member that is required and forbidden": {
        "required": ["a"],
        "additionalProperties": False,
    },
    "a keyword that is unknown": {"acme": 1},
}


@pytest.mark.parametrize("schema", OTHERS.values(), ids=OTHERS)
def test_schema_that_is_not_plain_is_left_to_others(schema: JSON) -> None:
    """Our choice: what is rare, or may take long, is done in counted steps."""
    assert compile_schema(schema) is None


DOUBLED: JSON = {"type": "null"}
for _ in range(20):
    DOUBLED = {"anyOf": [DOUBLED, DOUBLED]}
DEEP: JSON = {"type": "null"}
for _ in range(60):
    DEEP = {"items": DEEP}
CHAIN: JSON = {
    "$ref": "#/$defs/0",
    "$defs": {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}
    | {"40": {}},
}


@pytest.mark.parametrize("schema", [DOUBLED, DEEP, CHAIN])
def test_schema_that_is_large_when_written_out_is_left_to_others(schema: JSON) -> None:
    """Our choice: schemas of strangers must not keep us busy."""
    begin = time.thread_time()
    assert compile_schema(schema) is None
    assert time.thread_time() - begin < 1


def test_tree_is_looked_at_for_a_bounded_time() -> None:
    """Our choice: also one as deep as JSON may be, and wrong at the end."""
    compiled = compile_schema(PLAIN["any JSON but booleans"][0])
    assert compiled is not None
    value: JSON = True
    for level in range(198):
        value = [value, {"a": value}] if level > 185 else [value]
    begin = time.thread_time()
    assert compiled.find_fault(value) is not None
    assert time.thread_time() - begin < 2
