"""Arguments, validated and converted as a function's annotations say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mcp_django.exceptions import ToolError
from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import (
    Signature,
    read_signature,
)
from tests.server.annotations import (
    Book,
    Cat,
    Color,
    Dog,
    Node,
    Point,
    Row,
    Size,
    Status,
)


class StrictBook(BaseModel):
    model_config = ConfigDict(strict=True)

    published: date
    sizes: tuple[int, ...] = ()


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("must be even")
        return number


def read(function: Callable[..., Any], **options: Any) -> Signature:
    return read_signature(function, name="tool", **options)


def refusal(signature: Signature, arguments: Any) -> str:
    """Give the text of a refusal, without its fixed beginning."""
    with pytest.raises(InvalidArguments) as caught:
        signature.arguments(arguments)
    beginning = "invalid arguments for tool: "
    assert str(caught.value).startswith(beginning)
    return str(caught.value).removeprefix(beginning)


def add(a: int, b: int) -> int:
    return a + b


# Arguments --------------------------------------------------------------------------


def taking(annotation: Any) -> Callable[..., Any]:
    """Make a function with one parameter `value` of a type."""

    def function(value: Any) -> None: ...

    function.__annotations__ = {"value": annotation}
    return function


def kwargs_only(**arguments: Any) -> None:
    """Take anything.

    Args:
        a: Not added to a verbatim schema.
    """


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (int, "3", 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (bool, "true", True),
        (str, "x", "x"),
        (Any, {"deep": [None, 1.5]}, {"deep": [None, 1.5]}),
        (date, "2026-01-31", date(2026, 1, 31)),
        (UUID, "00000000-0000-0000-0000-0000000000ff", UUID(int=255)),
        (Decimal, "1.10", Decimal("1.10")),
        (Decimal, 1.1, Decimal("1.1")),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 1], {1}),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (Literal["a"], "a", "a"),
        (Color, "red", Color.RED),
        (Size, 2, Size.LARGE),
        (Status, "shipped", Status.SHIPPED),
        (date | str, "2026-01-31", date(2026, 1, 31)),
        (Point, {"x": "1"}, Point(1)),
        (list[Point], [{"x": 1, "y": 2}], [Point(1, 2)]),
        (Row, {"title": "T"}, {"title": "T"}),
        (
            Book,
            {"title": "T", "published": "2026-01-31"},
            Book(title="T", published=date(2026, 1, 31)),
        ),
        (
            StrictBook,
            {"published": "2026-01-31", "sizes": [1]},
            StrictBook(published=date(2026, 1, 31), sizes=(1,)),
        ),
        (
            Annotated[Cat | Dog, Field(discriminator="kind")],
            {"kind": "dog", "name": "R"},
            Dog(kind="dog", name="R"),
        ),
        (
            Node,
            {"value": 1, "children": [{"value": 2}]},
            Node(value=1, children=[Node(value=2)]),
        ),
    ],
)
def test_argument_arrives_as_its_annotation_says(
    annotation: Any, given: Any, expected: Any
) -> None:
    """We chose pydantic's lax mode for JSON, because models often send "3" for 3."""
    values = read(taking(annotation)).arguments({"value": given})

    assert values == {"value": expected}
    assert type(values["value"]) is type(expected)


def test_arguments_share_nothing_with_the_request() -> None:
    """We chose it: a handler that asks something is run again with the same request."""

    def function(value: Any, **rest: Any) -> None: ...

    for options in ({}, {"input_schema": {"type": "object"}}):
        given: dict[str, Any] = {"value": {"list": [1]}, "other": [2]}
        values = read(function, **options).arguments(given)
        values["value"]["list"].append(3)
        values["other"].clear()
        assert given == {"value": {"list": [1]}, "other": [2]}


def test_any_mapping_will_do() -> None:
    """We chose it."""
    given = MappingProxyType({"a": 1, "b": 2})

    assert read(add).arguments(given) == {"a": 1, "b": 2}


LONG = "x" * 1000
CUT = "'" + "x" * 37 + "..." + "x" * 38 + "'"


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (
            add,
            {"a": 1, "b": "x", "c": 3},
            "b: Input should be a valid integer, unable to parse string as an integer "
            "(got 'x'); c: unexpected argument, expected are a, b",
        ),
        (add, None, "a: missing, but required; b: missing, but required"),
        (add, {"a": None, "b": 1}, "a: Input should be a valid integer (got None)"),
        (add, [1], "Input should be an object (got [1])"),
        (add, 7, "Input should be an object (got 7)"),
        (
            add,
            {"a": LONG, "b": 1},
            "a: Input should be a valid integer, unable to parse string as an integer "
            f"(got {CUT})",
        ),
        (
            add,
            {"a": 1, "b": 1, LONG: 1, "line\nbreak": 1},
            f"{'x' * 77}...: unexpected argument, expected are a, b; "
            "'line\\nbreak': unexpected argument, expected are a, b",
        ),
        (
            add,
            {"a": 1, "b": "\ud800"},
            "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in "
            "position 0: surrogates not allowed",
        ),
        (
            taking(list[Point]),
            {"value": [{"x": 1}, {"x": 1, "y": "no"}, {}]},
            "value[1].y: Input should be a valid integer, unable to parse string as an "
            "integer (got 'no'); value[2].x: missing, but required",
        ),
        (
            taking(int | list[int] | Cat),
            {"value": {"kind": "cat"}},
            "value: as int: Input should be a valid integer (got {'kind': 'cat'}); "
            "value: as list[int]: Input should be a valid array (got {'kind': 'cat'}); "
            "value.lives: as Cat: missing, but required",
        ),
        (
            taking(Annotated[Cat | Dog, Field(discriminator="kind")]),
            {"value": {"kind": LONG}},
            f"value: Input tag '{'x' * 77}...' found using 'kind' does not match any "
            "of the expected tags: 'cat', 'dog' "
            f"(got {{'kind': '{'x' * 37}...{'x' * 27}...)",
        ),
        (
            taking(Even),
            {"value": {"number": 3}},
            "value.number: must be even (got 3)",
        ),
        (
            taking(Literal["a", "b"]),
            {"value": "c"},
            "value: Input should be 'a' or 'b' (got 'c')",
        ),
    ],
)
def test_refusal_names_every_place_and_reason(
    function: Callable[..., Any], arguments: Any, text: str
) -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling": feedback to self-correct."""
    assert refusal(read(function), arguments) == text


def test_refusal_is_a_tool_error() -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling": input validation is one."""
    assert issubclass(InvalidArguments, ToolError)


def test_refusal_names_ten_places_at_most() -> None:
    """We chose it, to bound the answer."""
    text = refusal(read(taking(list[int])), {"value": ["x"] * 11})

    assert text.count("value[") == 10
    assert text.endswith("; and more")


def test_refusal_of_too_many_values_names_none() -> None:
    """We chose it: to list a million errors would take seconds."""
    text = refusal(read(taking(list[int])), {"value": ["x"] * 1001})

    assert text == "1001 values are wrong, too many to name"


def test_refusal_of_a_deep_place_is_cut() -> None:
    """We chose it, to bound the answer."""
    deep: dict[str, Any] = {"value": "x"}
    for _ in range(60):
        deep = {"value": 1, "children": [deep]}

    text = refusal(read(taking(Node)), {"value": deep})

    assert text.startswith("value.children[0].children[0].")
    assert "...: Input should be a valid integer" in text
    assert len(text) < 700


def test_too_deep_arguments_are_refused() -> None:
    """We chose it: no depth of nesting may exhaust the stack."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]

    for options in ({}, {"input_schema": {"type": "object"}}):
        refusal(read(taking(Any), **options), {"value": deep})


# Properties -------------------------------------------------------------------------


def many_kinds(
    number: int,
    when: date | datetime | None = None,
    point: Point | None = None,
    pets: Sequence[Annotated[Cat | Dog, Field(discriminator="kind")]] = (),
    node: Node | None = None,
    mixed: dict[str, int | list[str] | Book] | None = None,
    decimal: Decimal = Decimal(0),
    even: Even | None = None,
    _id: UUID | None = None,
) -> None: ...


MANY_KINDS = read(many_kinds)
HANDLERS = [
    MANY_KINDS,
    read(add),
    read(lambda anything=None, **rest: None),
    read(
        kwargs_only,
        input_schema={
            "type": "object",
            "properties": {
                "number": {"multipleOf": 0.01, "exclusiveMaximum": 10},
                "when": {"pattern": "^a", "minLength": 2},
                "pets": {"uniqueItems": True, "contains": {"type": "integer"}},
                "node": {"$ref": "#"},
                "mixed": {"oneOf": [{"const": 1}, {"enum": [{"a": 1}, "b"]}]},
                "even": False,
            },
            "dependentRequired": {"node": ["mixed"]},
            "propertyNames": {"maxLength": 10},
            "patternProperties": {"^_": {"not": {"type": "string"}}},
        },
    ),
]
NAMES = st.sampled_from(["a", "b", *MANY_KINDS.input_schema["properties"]])
TEXT = st.text(st.characters(exclude_categories=()))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)
    | st.floats()
    | TEXT
    | st.sampled_from(["2026-01-31", "cat", "dog"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(TEXT, inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["x", "y", "kind", "lives", "name", "value", "children"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(HANDLERS),
    st.dictionaries(NAMES | TEXT, JSON_VALUES, max_size=8) | JSON_VALUES,
)
def test_arbitrary_json_is_converted_or_refused_in_few_words(
    signature: Signature, arguments: Any
) -> None:
    """We chose it: whatever a peer sends, nothing else may be raised."""
    try:
        values = signature.arguments(arguments)
    except InvalidArguments as error:
        assert len(str(error)) < 11 * 700
    else:
        assert isinstance(values, dict)


@settings(deadline=None)
@given(st.integers(), st.integers())
def test_what_the_schema_allows_is_accepted(a: int, b: int) -> None:
    """We chose it: the shown schema is the one that is applied."""
    given: Mapping[str, int] = json.loads(json.dumps({"a": a, "b": b}))
    signature = read(add)

    Draft202012Validator(signature.input_schema).validate(given)
    assert signature.arguments(given) == {"a": a, "b": b}
