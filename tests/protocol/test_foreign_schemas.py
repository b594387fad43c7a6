"""Schemas of strangers: what they mean, and that no one of them takes long."""

from __future__ import annotations

import time

import pytest
from jsonschema import SchemaError
from referencing.exceptions import Unresolvable

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.foreign_schemas import MAX_SCHEMA_BYTES, find_fault
from mcp_django.protocol.jsonrpc import JSON

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
CHAIN: dict[str, JSON] = {
    f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)
} | {"d40": {}}
SLOW = "^(a+)+$"
MANY_A = "a" * 40 + "!"


def reason(schema: JSON, value: JSON) -> str | None:
    fault = find_fault(schema, value)
    return None if fault is None else fault.message


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (True, 1),
        ({"pattern": "^a+$"}, "aaa"),
        ({"pattern": "^a+$"}, 1),
        ({"pattern": "(?=a)b"}, "no engine of ours reads this"),
        ({"pattern": "["}, "a"),
        ({"pattern": "^(a{1,2}){2}b{3}$"}, "aaabbb"),
        ({"patternProperties": {"^a": {"type": "null"}}}, {"b": 1}),
        ({"patternProperties": {"^a": {"type": "null"}}}, 1),
        ({"additionalProperties": False}, 1),
        (
            {
                "properties": {"a": {}},
                "patternProperties": {"^b": {}, "(?=x)": {}},
                "additionalProperties": False,
            },
            {"a": 1, "b": 2, "not known": 3},
        ),
        ({"additionalProperties": False, "patternProperties": {"^a": {}}}, 1),
        ({"additionalProperties": {"type": "integer"}}, {"a": 1}),
        ({"type": "string"}, "\ud800"),
        ({"additionalProperties": True}, {"a": "b"}),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}, {"a": True}]),
        ({"uniqueItems": False}, [1, 1]),
        ({"uniqueItems": True}, 1),
        ({"enum": [1, "a"]}, 1.0),
        ({"unevaluatedProperties": False, "patternProperties": {SLOW: {}}}, {"b": 1}),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, {"type": "null"}),
    ],
)
def test_value_that_fits_has_no_fault(schema: JSON, value: JSON) -> None:
    """Chosen: a pattern that our engine does not know is not checked."""
    assert reason(schema, value) is None


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"pattern": "^a+$"}, "b", "'b' does not match '^a+$'"),
        (
            {"patternProperties": {"^a": {"type": "null"}}},
            {"ab": 1},
            "1 is not of type 'null'",
        ),
        (
            {"additionalProperties": False},
            {"a": 1},
            "Additional properties are not allowed ('a' was unexpected)",
        ),
        (
            {"additionalProperties": False},
            {"a": 1, "b": 1},
            "Additional properties are not allowed ('a', 'b' were unexpected)",
        ),
        (
            {"additionalProperties": {"type": "null"}},
            {"a": 1},
            "1 is not of type 'null'",
        ),
        (
            {"uniqueItems": True},
            [{"a": [1.5, 1], "b": 2}, {"b": 2.0, "a": [1.5, 1]}],
            "[{'a': [1.5, 1], 'b': 2}, {'b': 2.0, 'a': [1.5, 1]}] has non-unique "
            "elements",
        ),
        (
            {"unevaluatedProperties": False},
            {"a": 1},
            "Unevaluated properties are not allowed ('a' was unexpected)",
        ),
        ({"$ref": "#/$defs/a", "$defs": {"a": False}}, 1, None),
    ],
)
def test_value_that_does_not_fit_is_explained(
    schema: JSON, value: JSON, expected: str | None
) -> None:
    """Chosen: in the words of the library."""
    found = reason(schema, value)
    assert found is not None
    assert expected is None or found == expected


def test_fault_says_where_it_is() -> None:
    """Chosen: for keywords that are ours too."""
    fault = find_fault({"patternProperties": {"^a": {"pattern": "b"}}}, {"ab": "c"})
    assert fault is not None
    assert fault.json_path == "$.ab"
    assert list(fault.schema_path) == ["patternProperties", "^a", "pattern"]


def test_what_is_no_schema_or_refers_elsewhere_is_told() -> None:
    """Spec: 2026-07-28 basic, "`$ref` Resolution": nothing is fetched."""
    with pytest.raises(SchemaError):
        find_fault({"type": "no type"}, 1)
    with pytest.raises(Unresolvable):
        find_fault({"$ref": "https://example.com/schema.json"}, 1)


HOSTILE: dict[str, tuple[JSON, JSON]] = {
    "a chain of references": ({"$defs": CHAIN, "$ref": "#/$defs/d0"}, {}),
    "the same in another dialect": (
        {"$defs": CHAIN, "allOf": [{"$schema": DRAFT_7, "allOf": [CHAIN["d0"]]}]},
        {},
    ),
    "the same for what is not evaluated": (
        {"$defs": CHAIN, "$ref": "#/$defs/d0", "unevaluatedProperties": False},
        {"a": 1},
    ),
    "counted repeats": ({"pattern": "(((a{99}){99}){99}){99}"}, "a" * 1000),
    "many large patterns": (
        {"allOf": [{"pattern": rf"\w{{50}}{n}"} for n in range(3000)]},
        "a" * 1000,
    ),
    "texts of many faults": (
        {"anyOf": [{"type": "null"}] * 8000},
        ["x" * 1000] * 1000,
    ),
    "a large constant": (
        {
            "$defs": {"c": {"const": list(range(30_000))}},
            "allOf": [{"$ref": "#/$defs/c"}] * 500,
        },
        list(range(30_000)),
    ),
    "anchors": (
        {
            "$defs": {f"c{n}": {"$anchor": f"c{n}"} for n in range(2000)},
            "allOf": [{"$ref": "#c1"}] * 2000,
        },
        1,
    ),
    "a large schema": ({"properties": {f"p{n}": {} for n in range(9000)}}, {}),
    "many parts that do nothing": (
        {"items": {"allOf": [True] * 30_000}},
        [1] * 20_000,
    ),
}


@pytest.mark.parametrize(("schema", "value"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_schema_is_given_up(schema: JSON, value: JSON) -> None:
    """Chosen: 100,000 steps."""
    begin = time.thread_time()
    with pytest.raises(TooMuchWork) as caught:
        find_fault(schema, value)
    assert time.thread_time() - begin < 4  # a tenth, unless traced
    assert str(caught.value) == "takes more than 100000 steps to check"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": SLOW}, MANY_A),
        ({"properties": {"a": {"$schema": DRAFT_7, "pattern": SLOW}}}, {"a": MANY_A}),
        ({"patternProperties": {SLOW: {}}, "additionalProperties": False}, {MANY_A: 1}),
    ],
)
def test_slow_pattern_is_quick(schema: JSON, value: JSON) -> None:
    """Chosen: the engine is linear, in parts of another dialect too."""
    begin = time.thread_time()
    assert find_fault(schema, value) is not None
    assert time.thread_time() - begin < 4  # a tenth, unless traced


def test_unique_items_are_quick() -> None:
    """Chosen: they are not compared in pairs."""
    begin = time.thread_time()
    assert find_fault({"uniqueItems": True}, [{"a": n} for n in range(3000)]) is None
    assert time.thread_time() - begin < 4  # a tenth, unless traced


def test_schema_that_is_too_long_is_not_read() -> None:
    """Chosen: 200,000 bytes."""
    with pytest.raises(TooMuchWork, match=r"^is longer than 200000 bytes$"):
        find_fault({"title": "x" * MAX_SCHEMA_BYTES}, 1)


def test_fault_in_a_large_value_is_found_all_the_same() -> None:
    """Chosen: in the words of the compiled schema, where counted steps do not do."""
    fault = find_fault({"items": {"type": "null"}}, [None] * 200_000 + [1])
    assert fault is not None
    assert (fault.message, fault.json_path) == (
        "Input should be None",
        "$[200000]",
    )
