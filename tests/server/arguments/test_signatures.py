"""What a handler takes: read from its signature, shown as schema, converted."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from inspect import Signature as PythonSignature
from typing import Annotated, Any, Optional

import pytest
from django.contrib.auth.models import User
from django.db.models import TextChoices
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import (
    Parameter,
    Signature,
    read_signature,
)
from mcp_django.server.context import Context, SyncContext


class Status(TextChoices):
    PENDING = "pending", "Waiting to be shipped"
    SHIPPED = "shipped", "On its way"


class Book(BaseModel):
    """A book."""

    title: str
    published: date | None = None


ContextAlias = TypeAliasType("ContextAlias", Context | None)


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
