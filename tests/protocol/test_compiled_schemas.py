"""Plain schemas: compiled, they say of every value what the library says."""

from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.protocol.compiled_schemas import MAX_VISITS, compile_schema
from mcp_django.protocol.jsonrpc import JSON, JSONObject

NAMES = ["a", "b", "c~/"]
TEXTS = ["", "a", "ab", "ü", "1"]
NUMBERS: list[Any] = [0, 1, -1, 2, 1.0, 0.5, -1.5, 10**30, 1e300, 2.0**60]

values = st.recursive(
    st.sampled_from([None, True, False, *NUMBERS, *TEXTS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*NAMES, "d"]), inner, max_size=4)
    ),
    max_leaves=8,
)
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
types = st.sampled_from(TYPES) | st.lists(
    st.sampled_from(TYPES), min_size=1, max_size=3, unique=True
)
sizes = st.integers(0, 3)
bounds = st.sampled_from([-1, 0, 1, 0.5, 1.0])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": types,
            "title": st.just("Text"),
            "x-note": st.just([1]),
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
            "additionalProperties": inner | st.booleans(),
            "items": inner | st.booleans(),
            "prefixItems": st.lists(inner, max_size=2),
            "uniqueItems": st.booleans(),
            "minItems": sizes,
            "maxItems": sizes,
            "minLength": sizes,
            "maxLength": sizes,
            "pattern": st.sampled_from(["a", "^a", "^.$"]),
            "minimum": bounds,
            "exclusiveMinimum": bounds,
            "maximum": bounds,
            "exclusiveMaximum": bounds,
            "anyOf": some,
            "allOf": some,
        },
    ) | st.fixed_dictionaries({"oneOf": some})


listed: st.SearchStrategy[JSONObject] = st.fixed_dictionaries(
    {"enum": st.lists(st.sampled_from([None, "a", "ab", True, 1, 2]), min_size=1)},
    optional={"type": types},
) | st.fixed_dictionaries({"const": st.sampled_from([None, "a", 1, []])})
refs = st.sampled_from(["#", "#/$defs/a", "#/$defs/b~0~1"]).map(
    lambda ref: {"$ref": ref}
)
parts = st.recursive(st.booleans() | listed | refs, _schemas, max_leaves=6)


@st.composite
def schemas(draw: st.DrawFn) -> JSONObject:
    """Make a document, and what its parts refer to."""
    schema = draw(_schemas(parts) | listed | refs)
    simple = st.fixed_dictionaries({"type": types})
    defs = {"a": draw(_schemas(parts)), "b~/": draw(_schemas(simple))}
    return {**schema, "$defs": defs}


@given(schemas(), st.lists(values, min_size=1, max_size=5))
def test_verdict_is_that_of_the_library(schema: JSONObject, some: list[JSON]) -> None:
    """We promise it: in both directions, for what can be compiled at all."""
    compiled = compile_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for value in some if compiled else ():
        assert compiled is not None
        assert (compiled.find_fault(value) is None) == validator.is_valid(value)


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


def test_value_is_looked_at_for_a_bounded_time() -> None:
    """Our choice: for each alternative, all of a value may be looked at in vain."""
    alternative: JSONObject = {"items": {"type": "string"}}
    one, many = ({"anyOf": [alternative] * count} for count in (1, 100))
    value: JSON = ["a" * 1000] * (MAX_VISITS // 200_000)
    seldom, often = compile_schema(one), compile_schema(many)
    assert seldom is not None
    assert often is not None
    assert seldom.can_check(value)
    assert not often.can_check(value)


def test_fault_says_where_it_is() -> None:
    """Our choice: in the value, not in the schema."""
    text_or_none: JSON = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    compiled = compile_schema(
        {"properties": {"rows": {"items": {"properties": {"a": text_or_none}}}}}
    )
    assert compiled is not None
    fault = compiled.find_fault({"rows": [{"a": None}, {"a": 1}]})
    assert fault == ("Input should be a valid string", ["rows", 1, "a"])
