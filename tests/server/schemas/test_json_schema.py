"""The JSON Schema of what a handler takes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import (
    Parameter,
    Signature,
    read_signature,
)
from mcp_django.server.context import SyncContext
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

MaybeInt = TypeAliasType("MaybeInt", int | None)


def read(function: Callable[..., Any], **options: Any) -> Signature:
    return read_signature(function, name="tool", **options)


def refusal(signature: Signature, arguments: Any) -> str:
    """Give the text of a refusal, without its fixed beginning."""
    with pytest.raises(InvalidArguments) as caught:
        signature.arguments(arguments)
    beginning = "invalid arguments for tool: "
    assert str(caught.value).startswith(beginning)
    return str(caught.value).removeprefix(beginning)


def taking(annotation: Any) -> Callable[..., Any]:
    """Make a function with one parameter `value` of a type."""

    def function(value: Any) -> None: ...

    function.__annotations__ = {"value": annotation}
    return function


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (Any, {}),
        (object, {}),
        (date, {"type": "string", "format": "date"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (timedelta, {"type": "string", "format": "duration"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Decimal, {"anyOf": [{"type": "number"}, {"type": "string"}]}),
        (list, {"type": "array", "items": {}}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (
            set[str],
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        ),
        (
            dict[str, float],
            {"type": "object", "additionalProperties": {"type": "number"}},
        ),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a"], {"type": "string", "const": "a"}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045
        (
            Annotated[int, Field(ge=1, le=9, description="How many.", title="Number")],
            {
                "type": "integer",
                "minimum": 1,
                "maximum": 9,
                "description": "How many.",
                "title": "Number",
            },
        ),
    ],
)
def test_simple_type_is_shown_without_generated_title(
    annotation: Any, schema: dict[str, Any]
) -> None:
    """We chose to leave out what says nothing, because models read it."""
    assert read(taking(annotation)).input_schema == {
        "type": "object",
        "properties": {"value": schema},
        "required": ["value"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Color, {"type": "string", "enum": ["red", "blue"]}),
        (Size, {"type": "integer", "enum": [1, 2]}),
        (Status, {"type": "string", "enum": ["pending", "shipped"]}),
        (
            Color | None,
            {"anyOf": [{"type": "string", "enum": ["red", "blue"]}, {"type": "null"}]},
        ),
        (
            Point,
            {
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "y": {"type": "integer", "default": 0},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
        (
            Row,
            {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "pages": {"type": "integer"},
                },
                "required": ["title"],
                "additionalProperties": False,
            },
        ),
        (
            Book,
            {
                "type": "object",
                "description": "A book.",
                "properties": {
                    "title": {"type": "string"},
                    "published": {
                        "anyOf": [
                            {"type": "string", "format": "date"},
                            {"type": "null"},
                        ],
                        "default": None,
                    },
                },
                "required": ["title"],
            },
        ),
        (
            Annotated[Cat | Dog, Field(discriminator="kind")],
            {
                "discriminator": {"propertyName": "kind"},
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {
                            "kind": {"type": "string", "const": "cat"},
                            "lives": {"type": "integer"},
                        },
                        "required": ["kind", "lives"],
                    },
                    {
                        "type": "object",
                        "properties": {
                            "kind": {"type": "string", "const": "dog"},
                            "name": {"type": "string"},
                        },
                        "required": ["kind", "name"],
                    },
                ],
            },
        ),
    ],
)
def test_named_type_is_written_where_it_is_used_without_generated_title(
    annotation: Any, schema: dict[str, Any]
) -> None:
    """We chose to refer to nothing, because many hosts do not follow references."""
    shown = read(taking(annotation)).input_schema

    assert shown["properties"] == {"value": schema}
    assert "$defs" not in shown


def test_type_that_contains_itself_stays_a_definition() -> None:
    """We chose it, as there is no other way to write it."""
    shown = read(taking(Node)).input_schema

    assert shown["properties"] == {"value": {"$ref": "#/$defs/Node"}}
    assert shown["$defs"] == {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/Node"},
                    "default": [],
                },
            },
            "required": ["value"],
        }
    }


def test_parameter_s_own_description_and_default_win_over_its_type_s() -> None:
    """We chose it: the one is about the parameter, the other about any such value."""

    def function(
        documented: Book,
        described: Annotated[Book, Field(description="A field's.")],
        plain: Book,
        status: Status = Status.PENDING,
    ) -> None:
        """Do it.

        Args:
            documented: A docstring's.
        """

    properties = read(function).input_schema["properties"]

    assert [properties[name]["description"] for name in list(properties)[:3]] == [
        "A docstring's.",
        "A field's.",
        "A book.",
    ]
    assert properties["status"] == {
        "type": "string",
        "enum": ["pending", "shipped"],
        "default": "pending",
    }


def test_titles_written_by_the_developer_are_kept() -> None:
    """We chose it: only generated titles are noise."""

    class Titled(BaseModel):
        model_config = ConfigDict(title="A title")

        inner: int = Field(title="Inner title")

    shown = read(taking(Titled)).input_schema

    assert shown["properties"]["value"] == {
        "type": "object",
        "title": "A title",
        "properties": {"inner": {"type": "integer", "title": "Inner title"}},
        "required": ["inner"],
    }


def test_function_without_parameters_takes_only_an_empty_object() -> None:
    """Spec: 2025-11-25 server/tools, "Tool": the recommended form for no parameters."""

    def function() -> None: ...

    signature = read(function)

    assert signature.input_schema == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert signature.arguments(None) == {}
    assert signature.arguments({}) == {}
    assert refusal(signature, {"a": 1}) == "a: unexpected argument, none is expected"


def test_parameter_without_annotation_takes_anything() -> None:
    """We chose it."""

    def function(value, other=3): ...  # type: ignore[no-untyped-def]

    signature = read(function)

    assert signature.input_schema["properties"] == {
        "value": {},
        "other": {"default": 3},
    }
    assert signature.arguments({"value": {"a": [None]}}) == {
        "value": {"a": [None]},
        "other": 3,
    }


def test_defaults_are_shown_and_applied() -> None:
    """We chose it."""

    def function(
        made: Annotated[list[int], Field(default_factory=list)],
        status: Status = Status.PENDING,
        limit: int = 10,
        tags: list[str] = ["a"],  # noqa: B006
        ratio: float = Field(0.5, description="Share."),
        sentinel: Any = object,
    ) -> None: ...

    signature = read(function)

    assert "required" not in signature.input_schema
    assert signature.input_schema["properties"] == {
        "made": {"type": "array", "items": {"type": "integer"}},
        "status": {
            "type": "string",
            "enum": ["pending", "shipped"],
            "default": "pending",
        },
        "limit": {"type": "integer", "default": 10},
        "tags": {"type": "array", "items": {"type": "string"}, "default": ["a"]},
        "ratio": {"type": "number", "default": 0.5, "description": "Share."},
        "sentinel": {},
    }
    assert signature.arguments({}) == {
        "made": [],
        "status": Status.PENDING,
        "limit": 10,
        "tags": ["a"],
        "ratio": 0.5,
        "sentinel": object,
    }


def test_mutable_default_is_not_shared_between_calls() -> None:
    """We chose it, because the opposite would leak from one user to another."""

    def function(tags: list[str] = []) -> None: ...  # noqa: B006

    signature = read(function)
    signature.arguments({})["tags"].append("leaked")

    assert signature.arguments({}) == {"tags": []}


def test_default_of_none_makes_null_acceptable() -> None:
    """We chose it: a model copies the default it is shown."""

    def function(limit: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    signature = read(function)

    assert signature.input_schema["properties"] == {
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    }
    assert signature.arguments({"limit": None}) == {"limit": None}


def test_type_alias_is_looked_through() -> None:
    """We chose it."""

    def function(limit: MaybeInt = None) -> None: ...

    signature = read(function)

    assert signature.input_schema["properties"] == {
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    }
    assert signature.arguments({}) == {"limit": None}


def test_alias_is_the_name_on_the_wire() -> None:
    """We chose it: it is what an alias means in pydantic."""

    def function(book_id: Annotated[int, Field(alias="bookId")]) -> None: ...

    signature = read(function)

    assert signature.parameters == (Parameter("bookId", required=True),)
    assert signature.arguments({"bookId": 3}) == {"book_id": 3}
    assert refusal(signature, {"book_id": 3}) == (
        "bookId: missing, but required; "
        "book_id: unexpected argument, expected are bookId"
    )


def test_alias_of_a_parameter_that_pydantic_cannot_have_is_kept() -> None:
    """We chose it: what the developer wrote wins."""

    def function(
        _id: Annotated[int, Field(alias="id")],
        _note: Annotated[str, Field(max_length=3)] = "",
        copy: bool = Field(False, alias="copyIt"),
    ) -> None: ...

    signature = read(function)

    assert list(signature.input_schema["properties"]) == ["id", "_note", "copyIt"]
    assert signature.arguments({"id": 1, "_note": "a", "copyIt": True}) == {
        "_id": 1,
        "_note": "a",
        "copy": True,
    }


def test_names_that_pydantic_keeps_for_itself_can_be_parameters() -> None:
    """We chose it: a developer need not know how arguments are validated."""

    def function(
        _id: int,
        __id: int,
        argument_id: int,
        schema: str,
        copy: bool,
        json: dict[str, int],
        model_dump: int,
        model_config: int,
        model_fields: int,
        validate: int = 5,
        self: int = 6,
        cls: int = 7,
    ) -> None: ...

    given = {
        "_id": 1,
        "__id": 2,
        "argument_id": 3,
        "schema": "s",
        "copy": True,
        "json": {"a": 1},
        "model_dump": 4,
        "model_config": 5,
        "model_fields": 6,
    }
    signature = read(function)

    assert [parameter.name for parameter in signature.parameters] == [
        *given,
        "validate",
        "self",
        "cls",
    ]
    assert signature.arguments(given) == {**given, "validate": 5, "self": 6, "cls": 7}
    assert refusal(signature, {**given, "copy": "?"}).startswith("copy: Input should")


def test_any_further_argument_arrives_in_kwargs() -> None:
    """We chose it."""

    def function(a: int, **rest: Any) -> None: ...

    signature = read(function)

    assert signature.input_schema == {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": {},
    }
    assert signature.arguments({"a": "1", "b": "2", "c d": None}) == {
        "a": 1,
        "b": "2",
        "c d": None,
    }


def test_annotation_of_kwargs_holds_for_every_further_argument() -> None:
    """We chose it: that is what the annotation says."""

    def function(**limits: int) -> None: ...

    signature = read(function)

    assert signature.input_schema["additionalProperties"] == {"type": "integer"}
    assert signature.arguments({"a": "1"}) == {"a": 1}
    assert refusal(signature, {"a": "x"}) == (
        "a: Input should be a valid integer, unable to parse string as an integer "
        "(got 'x')"
    )


def test_kwargs_take_no_name_that_something_else_fills() -> None:
    """We chose it, because calling the function would fail otherwise."""

    class Handler:
        def method(self, context: SyncContext, **rest: Any) -> None: ...

    def function(first: int, second: int, **rest: Any) -> None: ...

    method = read(Handler().method)
    partial = read(functools.partial(function, 1))

    assert refusal(method, {"self": 1}) == "self: unexpected argument"
    assert refusal(method, {"context": 1}) == "context: unexpected argument"
    assert method.arguments({"rest": 1}) == {"rest": 1}
    assert refusal(partial, {"first": 2, "second": 3}) == "first: unexpected argument"
