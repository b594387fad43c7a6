"""Compiled schemas: they say of every value what the library says."""

from __future__ import annotations

from typing import Any

import jsonschema
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
