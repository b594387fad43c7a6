"""Arguments by signatures: that no value takes long, nor much memory."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    IPvAnyAddress,
    model_validator,
)
from typing_extensions import TypedDict

from mcp_django.server.arguments.argument_work import MAX_ARGUMENTS, MAX_SMALL
from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import read_signature
from mcp_django.server.schemas.verbatim_schemas import TOO_MUCH_WORK
from tests.work import measured

SECONDS = 0.3
"""Three times what is promised, as some machines are slow."""

MEGABYTES = 60.0

DOUBLING = r"^(?=(a|aa)+$)"


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int = 1
    numbers: list[int] = []


class Open(BaseModel):
    number: int = 1
    numbers: list[int] = []


@dataclasses.dataclass
class Point:
    x: int = 1
    numbers: list[int] | None = None


class Named(TypedDict, total=False):
    name: str


class Typed(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


class Searched(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    text: Annotated[str, Field(pattern=DOUBLING)]


class Looking(BaseModel):
    number: Annotated[int, AfterValidator(abs)]

    @model_validator(mode="before")
    @classmethod
    def look(cls, given: Any) -> Any:
        return given

    @model_validator(mode="after")
    def look_again(self) -> Self:
        return self


@dataclasses.dataclass
class And:
    left: And | Or | int
    right: And | Or | int


@dataclasses.dataclass
class Or:
    left: And | Or | int
    right: And | Or | int


def taking(annotation: Any) -> Callable[[Any], dict[str, Any]]:
    """Make a function that reads one argument of a type."""

    def take(value: Any) -> None: ...

    take.__annotations__ = {"value": annotation, "return": None}
    signature = read_signature(take, name="take")
    return lambda value: signature.arguments({"value": value})


def refusal(annotation: Any, value: Any) -> str:
    """Give why a value is refused; "" if it is not."""
    read = taking(annotation)
    try:
        read(value)
    except InvalidArguments as error:
        return str(error).removeprefix("invalid arguments for take: ")
    return ""


def members(count: int, value: Any = "x") -> dict[str, Any]:
    return {f"a{number}": value for number in range(count)}


def nested(levels: int, leaf: Any = 1) -> Any:
    value = leaf
    for _ in range(levels):
        value = {"left": value, "right": 1}
    return value


HOSTILE: dict[str, tuple[Any, Any]] = {
    "wrong items of a union": (list[int | bool | float], ["x"] * 900_000),
    "wrong items of lists in lists": (list[list[int]], [["x"]] * 500_000),
    "wrong members": (dict[str, int], members(300_000)),
    "wrong members in members": (
        dict[str, dict[str, int]],
        members(300, members(1000)),
    ),
    "members for one of two": (dict[str, int] | dict[str, str], members(300_000)),
    "members of a closed model": (Closed, members(300_000)),
    "members of a dataclass": (Point, members(300_000)),
    "members of a TypedDict": (Named, members(300_000)),
    "wrong members of a model": (Typed, members(300_000)),
    "members of a TypedDict that are still few": (Named, members(100_000)),
    "models": (list[Open], [{"number": 1}] * 300_000),
    "models for one of four": (
        list[Closed | Point | Named | int],
        [{"b": 1}] * 100_000,
    ),
    "objects": (list[Any], [{}] * 1_000_000),
    "lists": (list[Any], [[]] * 1_000_000),
    "alternatives that double with each level": (And | Or, nested(40)),
    "such alternatives with a wrong leaf": (And | Or, nested(40, "x")),
    "a pattern of Python's": (Searched, {"text": "a" * 80 + "!"}),
    "a compiled pattern": (
        Annotated[str, Field(pattern=re.compile(DOUBLING))],
        "a" * 80 + "!",
    ),
    "a counted pattern in a long text": (
        Annotated[str, Field(pattern=r"(\w{20,60}x)+$")],
        "a" * 4_000_000,
    ),
    "a pattern in many texts": (
        list[Annotated[str, Field(pattern="^[a-z]+$")]],
        ["abc"] * 600_000,
    ),
    "addresses": (list[IPvAnyAddress], ["::1"] * 500_000),
    "addresses of pages": (list[AnyUrl], ["http://a/b?c#d"] * 200_000),
    "numbers that are rounded": (
        list[Annotated[Decimal, Field(multiple_of=Decimal("0.01"))]],
        ["1.00"] * 500_000,
    ),
    "what a function looks at": (
        list[Annotated[int, AfterValidator(lambda number: sum(range(100)))]],
        [1] * 500_000,
    ),
    "a long expression": (re.Pattern, "[a-z]" * 700_000),
}


@pytest.mark.parametrize(("annotation", "value"), HOSTILE.values(), ids=HOSTILE)
def test_value_that_takes_too_much_work_is_refused(annotation: Any, value: Any) -> None:
    """Our choice: no request takes more than a tenth of a second, nor much memory."""
    with measured() as work:
        assert refusal(annotation, value) == TOO_MUCH_WORK
    assert work.seconds < SECONDS
    assert work.megabytes < MEGABYTES


NOT_A_NUMBER = (
    "Input should be a valid integer, unable to parse string as an integer (got 'x')"
)

DECIDED: dict[str, tuple[Any, Any, str]] = {
    "wrong items": (list[int], ["x"] * 200_000, f"value[0]: {NOT_A_NUMBER}"),
    "so many that they have to be as they shall": (
        list[int],
        ["x"] * 900_000,
        "value[0]: Input should be a valid integer (got 'x')",
    ),
    "wrong items within a model": (
        Closed,
        {"numbers": ["x"] * 100_000},
        f"value.numbers[0]: {NOT_A_NUMBER}",
    ),
    "wrong items within a dataclass": (
        Point,
        {"numbers": ["x"] * 100_000},
        f"value.numbers[0]: {NOT_A_NUMBER}",
    ),
    "wrong items of a set": (set[int], ["x"] * 100_000, f"value[0]: {NOT_A_NUMBER}"),
    "wrong members": (dict[str, int], members(20_000), f"value.a0: {NOT_A_NUMBER}"),
    "items for the second of two": (list[int] | list[str], ["x"] * 500_000, ""),
    "members for the second of two": (
        dict[str, int] | dict[str, str],
        members(20_000),
        "",
    ),
    "many rows": (list[Open], [{"number": 1}] * 15_000, ""),
    "a long text with many commas": (str, '{"a":[1,2,3]},' * 280_000, ""),
    "a long text for a pattern": (
        Annotated[str, Field(pattern="^[^a]*$")],
        "x" * 500_000,
        "",
    ),
    "a pattern that backtracks elsewhere": (
        Annotated[str, Field(pattern=re.compile(r"^(\d+,?)+$"))],
        "1" * 40 + "!",
        "value: String should match pattern '^(\\d+,?)+$' (got '1111111111111111111"
        "111111111111111111111!')",
    ),
    "a few levels of alternatives": (And | Or, nested(6), ""),
    "a blank text where dates are looked for": (
        list[date | str],
        ["2020-02-20", " " * 4_000_000],
        "",
    ),
    "lists in a text": (
        list[list[int]],
        "[" + "[]," * 300_000 + "[]]",
        f"value: Input should be a valid array (got '[{'[],' * 12}..."
        f"{'],[' * 11}],[]]')",
    ),
}


@pytest.mark.parametrize(
    ("annotation", "value", "reason"), DECIDED.values(), ids=DECIDED
)
def test_value_is_checked_in_time(annotation: Any, value: Any, reason: str) -> None:
    """Our choice: what can be checked in a tenth of a second is."""
    with measured() as work:
        assert refusal(annotation, value) == reason
    assert work.seconds < SECONDS
    assert work.megabytes < MEGABYTES


def test_expression_nested_too_deeply_is_refused() -> None:
    """Our choice: what Python cannot read for its depth is no fault of the site."""
    assert refusal(re.Pattern, "(" * 5000) == "nested too deeply"


def test_number_of_arguments_is_bounded() -> None:
    """Our choice: each of them may be wrong, and all of them would be told."""

    def take(**rest: int) -> None: ...

    signature = read_signature(take, name="take")
    arguments = {f"argument_{number}" * 3: 1 for number in range(MAX_ARGUMENTS)}
    assert signature.arguments(arguments) == arguments
    with measured() as work, pytest.raises(InvalidArguments) as caught:
        signature.arguments(members(300_000))
    assert str(caught.value).endswith(TOO_MUCH_WORK)
    assert work.seconds < SECONDS


PADDING = " " * MAX_SMALL

SAME: dict[str, tuple[Any, Any]] = {
    "an expression": (re.Pattern, "(a|b)+"),
    "addresses of each kind": (
        tuple[AnyUrl, HttpUrl, IPvAnyAddress, IPv4Address],
        ["http://a/", "https://b/", "::1", "127.0.0.1"],
    ),
    "a model that looks at itself": (Looking, {"number": "3"}),
    "a number with bounds": (Annotated[Decimal, Field(max_digits=3)], "1.25"),
    "a closed model": (Closed, {"number": 2, "numbers": [1, 2]}),
    "an open model": (Open, {"number": 2, "other": 1}),
    "a model with other members": (Typed, {"a": 1}),
    "a dataclass": (Point, {"x": 2}),
    "a TypedDict": (Named, {"name": "a"}),
    "a date": (date, "2020-02-20"),
    "a date as a key": (dict[date, int], {"2020-02-20": 1}),
    "bytes": (bytes, "AAEC"),
    "a set": (set[int], [1, 2]),
    "a tuple": (tuple[int, str], [1, "a"]),
    "one of two models": (Closed | Open, {"number": 2, "other": 1}),
    "a choice": (Literal["a", "b"], "b"),
    "a text that Python finds": (
        Annotated[str, Field(pattern=re.compile("^A(?=b)", re.IGNORECASE))],
        "aB",
    ),
    "alternatives that contain each other": (And | Or | int, nested(3)),
    "a number as text": (int, "7"),
}


@pytest.mark.parametrize(("annotation", "value"), SAME.values(), ids=SAME)
def test_large_arguments_become_the_same_values(annotation: Any, value: Any) -> None:
    """Our choice: how much else is given makes no difference."""

    def take(value: Any, padding: str = "") -> None: ...

    take.__annotations__ |= {"value": annotation}
    signature = read_signature(take, name="take")
    small = signature.arguments({"value": value})
    large = signature.arguments({"value": value, "padding": PADDING})
    assert small == {**large, "padding": ""}
    assert type(small["value"]) is type(large["value"])
    assert large["padding"] == PADDING


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (Closed, {"a": 1}, "value.a: Extra inputs are not permitted (got 1)"),
        (Named, {"a": 1}, "value.a: Extra inputs are not permitted (got 1)"),
        (Point, {"a": 1}, "value.a: Unexpected keyword argument (got 1)"),
        (Typed, {"a": "x"}, f"value.a: {NOT_A_NUMBER}"),
        (
            Annotated[str, Field(pattern="^a$")],
            "b",
            "value: String should match pattern '^a$' (got 'b')",
        ),
    ],
)
def test_large_arguments_are_refused_with_the_same_text(
    annotation: Any, value: Any, reason: str
) -> None:
    """Our choice: how much else is given makes no difference."""

    def take(value: Any, padding: str = "") -> None: ...

    take.__annotations__ |= {"value": annotation}
    signature = read_signature(take, name="take")
    for padding in ("", PADDING):
        with pytest.raises(InvalidArguments) as caught:
            signature.arguments({"value": value, "padding": padding})
        assert str(caught.value) == f"invalid arguments for take: {reason}"
