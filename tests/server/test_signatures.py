"""What a handler takes: read from its signature, shown as schema, converted."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from inspect import Signature as PythonSignature
from types import MappingProxyType
from typing import Annotated, Any, Literal, NotRequired, Optional
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db.models import TextChoices
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, field_validator
from typing_extensions import TypeAliasType, TypedDict

from mcp_django.exceptions import ToolError
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.invalid_arguments import InvalidArguments
from mcp_django.server.signatures import (
    Parameter,
    Signature,
    read_signature,
)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Status(TextChoices):
    PENDING = "pending", "Waiting to be shipped"
    SHIPPED = "shipped", "On its way"


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    title: str
    pages: NotRequired[int]


class Book(BaseModel):
    """A book."""

    title: str
    published: date | None = None


class StrictBook(BaseModel):
    model_config = ConfigDict(strict=True)

    published: date
    sizes: tuple[int, ...] = ()


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("must be even")
        return number


ContextAlias = TypeAliasType("ContextAlias", Context | None)
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


def add(a: int, b: int) -> int:
    return a + b


# The schema -------------------------------------------------------------------------


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


# Descriptions -----------------------------------------------------------------------


def google(a: int, b: Annotated[int, Field(description="From the field.")]) -> None:
    """Add two numbers.

    Both may be negative.

        indented

    Args:
        a: First number,
            over two lines.
        b (int): From the docstring.
        context: Not an argument.

    Returns:
        The sum.

    Raises:
        ValueError: Never.

    Example:
        >>> add(1, 2)
        3
    """


def numpy(a: int, b: int) -> None:
    """Add two numbers.

    Both may be negative.

    Parameters
    ----------
    a, b : int
        The numbers.

    Returns
    -------
    int
        The sum.
    """


def rest_fields(a: int, b: int) -> None:
    """Add two numbers.

    Both may be negative.

    :param a: First number.
    :param int b: Second number.
    :returns: The sum.
    :raises ValueError: Never.
    """


@pytest.mark.parametrize(
    ("function", "description", "parameters"),
    [
        (
            google,
            "Add two numbers.\n\nBoth may be negative.\n\n    indented\n\n"
            "Examples:\n    >>> add(1, 2)\n    3",
            ["First number, over two lines.", "From the field."],
        ),
        (
            numpy,
            "Add two numbers.\n\nBoth may be negative.",
            ["The numbers.", "The numbers."],
        ),
        (
            rest_fields,
            "Add two numbers.\n\nBoth may be negative.",
            ["First number.", "Second number."],
        ),
    ],
)
def test_docstring_describes_the_function_and_its_parameters(
    function: Callable[..., Any], description: str, parameters: list[str]
) -> None:
    """We chose the three styles, and that a Field's own description wins."""
    signature = read(function)

    assert signature.description == description
    assert [parameter.description for parameter in signature.parameters] == parameters
    assert [
        property_["description"]
        for property_ in signature.input_schema["properties"].values()
    ] == parameters


@pytest.mark.parametrize(
    ("docstring", "description"),
    [
        (None, None),
        ("", None),
        ("Only this.", "Only this."),
        ("First line\nof a sentence.", "First line\nof a sentence."),
        ("Note: slow.\n\nStatus:\n    open", "Note: slow.\n\nStatus:\n    open"),
        ("Send :it:.\n\n:not a field\n\nMore.", "Send :it:.\n\n:not a field\n\nMore."),
        ("Odd.\n\nArgs:\nnot indented", "Odd.\n\nArgs:\nnot indented"),
        ("Odd.\n\nArgs:\n    no colon", "Odd.\n\nArgs:\n    no colon"),
        ("\nArgs:\n    value: It.", None),
    ],
)
def test_docstring_without_sections_is_the_description(
    docstring: str | None, description: str | None
) -> None:
    """We chose to lose nothing that a developer wrote."""

    def function(value: int) -> None: ...

    function.__doc__ = docstring

    assert read(function).description == description


def test_prompt_arguments_can_be_read_from_the_parameters() -> None:
    """Spec: 2025-11-25 server/prompts, "Prompt": name, title, description, required."""

    def function(topic: Annotated[str, Field(title="Topic")], length: int = 3) -> None:
        """Write.

        Args:
            length: In lines.
        """

    assert read(function).parameters == (
        Parameter("topic", required=True, title="Topic"),
        Parameter("length", required=False, description="In lines."),
    )


# Kinds of functions -----------------------------------------------------------------


class Service:
    """A service."""

    def method(self, a: int) -> int:
        """Do it."""
        return a

    async def async_method(self, a: int) -> int:
        return a

    @classmethod
    def class_method(cls, a: int) -> int:
        return a

    @staticmethod
    def static_method(a: int) -> int:
        return a

    def __call__(self, a: int) -> int:
        return a


class AsyncService:
    async def __call__(self, a: int) -> int:
        """Call it."""
        return a


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def async_double(a: int) -> int:
    return 2 * a


def with_more(a: int, b: int = 2, *, c: int) -> int:
    """Add more."""
    return a + b + c


@pytest.mark.parametrize(
    ("function", "is_async", "names", "description"),
    [
        (add, False, ["a", "b"], None),
        (async_double, True, ["a"], None),
        (lambda a: a, False, ["a"], None),
        (Service().method, False, ["a"], "Do it."),
        (Service().async_method, True, ["a"], None),
        (Service.class_method, False, ["a"], None),
        (Service.static_method, False, ["a"], None),
        (Service(), False, ["a"], "A service."),
        (AsyncService(), True, ["a"], "Call it."),
        (decorated(with_more), False, ["a", "b", "c"], "Add more."),
        (functools.lru_cache(with_more), False, ["a", "b", "c"], "Add more."),
        (functools.partial(with_more, 1), False, ["b", "c"], "Add more."),
        (functools.partial(with_more, c=1), False, ["a", "b", "c"], "Add more."),
        (functools.partial(async_double), True, ["a"], None),
        (functools.partial(AsyncService()), True, ["a"], "Call it."),
        (functools.partial(decorated(Service().method)), False, ["a"], "Do it."),
    ],
)
def test_everything_callable_by_name_can_be_a_handler(
    function: Callable[..., Any],
    is_async: bool,
    names: list[str],
    description: str | None,
) -> None:
    """We chose it."""
    signature = read(function)

    assert signature.function is function
    assert signature.is_async is is_async
    assert [parameter.name for parameter in signature.parameters] == names
    assert signature.description == description


def test_arguments_call_the_function() -> None:
    """We chose keyword arguments."""
    function = functools.partial(with_more, 1, c=4)

    assert function(**read(function).arguments({"b": "3"})) == 8


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ("int", int),
        ("list[Book]", list[Book]),
        ("None", type(None)),
        ("Annotated[int, 'kept']", Annotated[int, "kept"]),
    ],
)
def test_return_annotation_is_resolved(returns: str, expected: Any) -> None:
    """We chose it: annotations are text in modules like this one."""

    def function() -> None: ...

    function.__annotations__["return"] = returns

    assert read(function).returns == expected


def test_missing_return_annotation_is_empty() -> None:
    """We chose the mark that `inspect` has for it."""
    assert read(lambda: None).returns is PythonSignature.empty


def positional_only(a: int, /) -> None: ...
def var_positional(*values: int) -> None: ...
def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def unknown_name(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def takes_look_ahead(
    codes: list[Annotated[str, Field(pattern="^(?!0)[0-9]+$")]],
) -> None: ...


def takes_lines_of_pattern(
    code: Annotated[str, Field(pattern="(?x)(a)\n\\1~")],
) -> None: ...


def takes_huge_pattern(
    code: Annotated[str, Field(pattern="a{9999}{99}")],
) -> None: ...


def takes_user(count: int, user: User) -> None: ...
def takes_users(**users: User) -> None: ...


def takes_callable(callback: Callable[[], int]) -> None: ...
def list_of_contexts(contexts: list[SyncContext]) -> None: ...
def sync_with_context(context: Context) -> None: ...
def sync_with_optional_context(context: Optional[Context] = None) -> None: ...  # noqa: UP045
async def async_with_sync_context(context: SyncContext | None) -> None: ...
def two_contexts(one: SyncContext, two: SyncContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            positional_only,
            "parameter 'a' of 'tool' is positional-only, but arguments arrive by name; "
            "remove the '/' from the signature",
        ),
        (
            var_positional,
            "'tool' takes *values, but arguments arrive by name; take one parameter "
            "such as 'values: list[str]' instead",
        ),
        (generator, "the handler of 'tool' is a generator; return a list instead"),
        (
            async_generator,
            "the handler of 'tool' is a generator; return a list instead",
        ),
        (
            unknown_name,
            "cannot read the annotations of 'tool': name 'Nowhere' is not defined; "
            "import what they name at the top of the module, outside "
            "`if TYPE_CHECKING`",
        ),
        (
            takes_look_ahead,
            "parameter 'codes' of 'tool' has a pattern that pydantic's regex engine "
            "refuses '^(?!0)[0-9]+$': look-around, including look-ahead and "
            "look-behind, is not supported; write another one, or check the value in "
            "the function",
        ),
        (
            takes_lines_of_pattern,
            "parameter 'code' of 'tool' has a pattern that pydantic's regex engine "
            "refuses: backreferences are not supported; write another one, or check "
            "the value in the function",
        ),
        (
            takes_huge_pattern,
            "parameter 'code' of 'tool' has a pattern that pydantic's regex engine "
            "refuses: Compiled regex exceeds size limit of 10485760 bytes; write "
            "another one, or check the value in the function",
        ),
        (
            takes_user,
            "parameter 'user' of 'tool' has a type that cannot come from JSON: Unable "
            "to generate pydantic-core schema for <class "
            "'django.contrib.auth.models.User'>; use JSON types, dataclasses or "
            "pydantic models",
        ),
        (
            takes_users,
            "parameter '**kwargs' of 'tool' has a type that cannot come from JSON: "
            "Unable to generate pydantic-core schema for <class "
            "'django.contrib.auth.models.User'>; use JSON types, dataclasses or "
            "pydantic models",
        ),
        (
            takes_callable,
            "parameter 'callback' of 'tool' has a type that cannot come from JSON: "
            "Cannot generate a JsonSchema for core_schema.CallableSchema; use JSON "
            "types, dataclasses or pydantic models",
        ),
        (
            list_of_contexts,
            "parameter 'contexts' of 'tool' has a type that cannot come from JSON: "
            "Unable to generate pydantic-core schema for <class "
            "'mcp_django.server.context.SyncContext'>; use JSON types, dataclasses or "
            "pydantic models",
        ),
        (
            sync_with_context,
            "parameter 'context' of 'tool' is annotated Context, which is for "
            "'async def', and 'tool' is 'def'; annotate it SyncContext, or write "
            "'tool' as 'async def'",
        ),
        (
            sync_with_optional_context,
            "parameter 'context' of 'tool' is annotated Context, which is for "
            "'async def', and 'tool' is 'def'; annotate it SyncContext, or write "
            "'tool' as 'async def'",
        ),
        (
            async_with_sync_context,
            "parameter 'context' of 'tool' is annotated SyncContext, which is for "
            "'def', and 'tool' is 'async def'; annotate it Context, or write 'tool' as "
            "'def'",
        ),
        (
            two_contexts,
            "'tool' has several parameters for the context, one, two; keep one of them",
        ),
        (Service, f"the handler of 'tool' is {Service!r}, not a function"),
        (3, "the handler of 'tool' is 3, not a function"),
    ],
)
def test_unsuitable_function_is_refused_with_a_remedy(
    function: Callable[..., Any], message: str
) -> None:
    """We chose to say it when registering, not when the first client calls."""
    with pytest.raises(ValueError) as caught:
        read(function)
    assert str(caught.value) == message


# The context ------------------------------------------------------------------------


async def with_context(context: Context, a: int) -> None: ...
async def with_union(a: int, ctx: Context | None = None) -> None: ...
async def with_optional(ctx: Optional[Context], a: int) -> None: ...  # noqa: UP045
async def with_annotated(ctx: Annotated[Context, "note"], a: int) -> None: ...
async def with_alias(ctx: ContextAlias, a: int) -> None: ...


async def with_either(ctx: Context | SyncContext, a: int) -> None: ...
def sync_context(a: int, *, here: SyncContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        (with_context, "context"),
        (with_union, "ctx"),
        (with_optional, "ctx"),
        (with_annotated, "ctx"),
        (with_alias, "ctx"),
        (with_either, "ctx"),
        (sync_context, "here"),
        (add, None),
    ],
)
def test_context_is_found_by_annotation_and_not_shown(
    function: Callable[..., Any], parameter: str | None
) -> None:
    """We chose it."""
    signature = read(function)

    assert signature.context_parameter == parameter
    assert parameter not in signature.input_schema["properties"]
    given = {"a": 1} if parameter else {"a": 1, "b": 2}
    assert signature.arguments(given) == given
    if parameter:
        assert refusal(signature, {"a": 1, parameter: 2}) == (
            f"{parameter}: unexpected argument, expected are a"
        )


# Arguments --------------------------------------------------------------------------


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


# Verbatim schemas -------------------------------------------------------------------

VERBATIM = {
    "type": "object",
    "title": "Kept",
    "properties": {
        "a": {"type": "integer", "description": "First."},
        "b": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["c"]}]},
    },
    "required": ["a"],
}


def kwargs_only(**arguments: Any) -> None:
    """Take anything.

    Args:
        a: Not added to a verbatim schema.
    """


def test_verbatim_schema_is_shown_as_it_is() -> None:
    """We chose it."""
    signature = read(kwargs_only, input_schema=VERBATIM)

    assert signature.input_schema == VERBATIM
    assert signature.input_schema is not VERBATIM
    assert signature.description == "Take anything."
    assert signature.parameters == (
        Parameter("a", required=True, description="First."),
        Parameter("b", required=False),
    )


def test_arguments_of_a_verbatim_schema_are_passed_as_they_are() -> None:
    """We chose it: no conversion, no defaults."""

    def function(context: SyncContext, a: float, b: date | None = None) -> None: ...

    signature = read(function, input_schema=VERBATIM)

    assert signature.context_parameter == "context"
    assert signature.arguments({"a": 1, "b": "2026-01-31"}) == {
        "a": 1,
        "b": "2026-01-31",
    }
    assert signature.arguments({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (kwargs_only, {}, "'a' is a required property"),
        (kwargs_only, [1], "[1] is not of type 'object'"),
        (kwargs_only, {"a": LONG}, f"a: {CUT} is not of type 'integer'"),
        (kwargs_only, {"a": 1, "b": {}}, "b: 'c' is a required property"),
        (
            lambda a, b=1: 0,
            {"a": 1, "c": 1},
            "c: unexpected argument, expected are a, b",
        ),
        (lambda a, b, c: 0, {"a": 1, "b": "x"}, "c: missing, but required"),
        (kwargs_only, {"a": 1.5}, "a: 1.5 is not of type 'integer'"),
    ],
)
def test_arguments_that_break_a_verbatim_schema_are_refused(
    function: Callable[..., Any], arguments: Any, text: str
) -> None:
    """Spec: 2025-11-25 server/tools, "Security Considerations": validate all inputs."""
    assert refusal(read(function, input_schema=VERBATIM), arguments) == text


def test_context_cannot_be_given_through_an_open_verbatim_schema() -> None:
    """We chose it, because calling the function would fail otherwise."""

    def function(context: SyncContext, **arguments: Any) -> None: ...

    signature = read(function, input_schema={"type": "object"})

    assert refusal(signature, {"context": 1}) == "context: unexpected argument"


@pytest.mark.parametrize(
    ("schema", "arguments", "text"),
    [
        ({"properties": {"a": False}}, {"a": 1}, "1 is not allowed"),
        (
            {"properties": {"a": {"$ref": "#"}}},
            {"a": {"a": 1}},
            "a.a: 1 is not of type 'object'",
        ),
        (
            {
                "$defs": {"t": {"type": "null"}},
                "additionalProperties": {"$ref": "#/$defs/t"},
            },
            {"a": 1},
            "a: 1 is not of type 'null'",
        ),
        (
            {
                "$id": "https://site.example/s",
                "$defs": {"t": {"type": "null"}},
                "properties": {"a": {"$ref": "#/$defs/t"}},
            },
            {"a": 1},
            "a: 1 is not of type 'null'",
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "definitions": {"t": {"type": "null"}},
                "properties": {"a": {"$ref": "#/definitions/t"}},
            },
            {"a": 1},
            "a: 1 is not of type 'null'",
        ),
        (
            {
                "properties": {
                    "a": {"$ref": "https://json-schema.org/draft/2020-12/schema"}
                }
            },
            {"a": {"type": 3}},
            "a.type: 3 is not valid under any of the given schemas",
        ),
        (
            {"properties": {"a": {"multipleOf": 0.5}}},
            {"a": 10**400},
            "a number is too large",
        ),
        ({}, {"a": 10**4400}, "number out of range at line 1 column 4307"),
    ],
)
def test_verbatim_schema_may_use_all_of_json_schema(
    schema: dict[str, Any], arguments: dict[str, Any], text: str
) -> None:
    """Spec: 2026-07-28 basic/index, "JSON Schema Usage"."""
    signature = read(kwargs_only, input_schema={"type": "object", **schema})

    assert refusal(signature, arguments) == text


def test_recursive_verbatim_schema_refuses_what_is_nested_too_deeply() -> None:
    """We chose it: no depth of nesting may exhaust the stack."""
    schema = {
        "type": "object",
        "minProperties": 0,  # so that it is not compiled
        "properties": {"a": {"allOf": [{"anyOf": [{"allOf": [{"$ref": "#"}]}]}]}},
    }
    deep: dict[str, Any] = {}
    for _ in range(190):
        deep = {"a": deep}

    assert refusal(read(kwargs_only, input_schema=schema), deep) == "nested too deeply"


@pytest.mark.parametrize(
    ("function", "schema", "message"),
    [
        (
            kwargs_only,
            {"type": "array"},
            "input_schema of 'tool' must have \"type\": \"object\", not 'array'",
        ),
        (
            kwargs_only,
            {"type": "object", "properties": {"a": {"type": "number?"}}},
            "input_schema of 'tool' is no valid JSON Schema: at properties.a.type: "
            "'number?' is not valid under any of the given schemas",
        ),
        (
            kwargs_only,
            {"type": "object", "properties": {"a": {"pattern": "("}}},
            "input_schema of 'tool' is no valid JSON Schema: at properties.a.pattern: "
            "'(' is not a 'regex'",
        ),
        (
            kwargs_only,
            {"type": "object", "$schema": "https://site.example/dialect"},
            "input_schema of 'tool' is in the unknown dialect "
            "'https://site.example/dialect'; leave $schema out for JSON Schema 2020-12",
        ),
        (
            kwargs_only,
            {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/s"}}},
            "input_schema of 'tool' refers to 'http://127.0.0.1/s', which is not in "
            "it; schemas are never fetched, put the definition under $defs",
        ),
        (
            kwargs_only,
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
            "input_schema of 'tool' refers to '#/$defs/none', which is not in it; "
            "schemas are never fetched, put the definition under $defs",
        ),
        (
            lambda a: 0,
            VERBATIM,
            "input_schema of 'tool' has 'b', which the function does not take; add a "
            "parameter of that name, or **arguments",
        ),
        (
            lambda: 0,
            {"type": "object", "required": ["a"]},
            "input_schema of 'tool' has 'a', which the function does not take; add a "
            "parameter of that name, or **arguments",
        ),
        (
            positional_only,
            VERBATIM,
            "parameter 'a' of 'tool' is positional-only, but arguments arrive by name; "
            "remove the '/' from the signature",
        ),
    ],
)
def test_unsuitable_verbatim_schema_is_refused(
    function: Callable[..., Any], schema: dict[str, Any], message: str
) -> None:
    """Spec: 2026-07-28 basic/index, "JSON Schema Usage": external $refs not fetched."""
    with pytest.raises(ValueError) as caught:
        read(function, input_schema=schema)
    assert str(caught.value) == message


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
