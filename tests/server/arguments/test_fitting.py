"""Arguments as clients really send them: what is converted, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mcp_types.jsonrpc import INVALID_PARAMS
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt
from typing_extensions import TypedDict

from mcp_django.server.arguments.fitting import MAX_FITTED, Fitting
from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import Signature, read_signature
from mcp_django.server.server import Server
from tests.server.calls import Caller


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass
class Point:
    x: int
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    title: str
    pages: NotRequired[int]


class Pair(NamedTuple):
    first: int
    second: str = "b"


class Note(BaseModel):
    text: str
    number: int = 3
    tags: list[str] = []
    notes: list[Note] | None = None


class Corner(Enum):
    LEFT = (0, 1)
    RIGHT = (2, 1)


class Holiday(Enum):
    CHRISTMAS = date(2026, 12, 25)


class Access(Flag):
    READ = 1
    WRITE = 2


@dataclass
class Shelf:
    books: Iterable[int]


@dataclass
class Gauge:
    x: float


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    number: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Meters(BaseModel):
    meters: int


class Feet(BaseModel):
    feet: int


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


def reading(annotation: Any, default: Any = ...) -> Signature:
    """Read a function with one parameter `value` of a type."""

    def function(value: Any) -> None: ...

    function.__annotations__ = {"value": annotation}
    if default is not ...:
        function.__defaults__ = (default,)
    return read_signature(function, name="tool")


def refusal(signature: Signature, value: Any) -> str:
    """Give the text of a refusal, without its fixed beginning."""
    with pytest.raises(InvalidArguments) as caught:
        signature.arguments({"value": value})
    return str(caught.value).removeprefix("invalid arguments for tool: ")


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        # JSON text for what is no text.
        (list[int], "[1, 2]", [1, 2]),
        (list[int], ' ["1", 2]\n', [1, 2]),
        (list[int], [1, "2", 3.0], [1, 2, 3]),
        (list, "[1]", [1]),
        (list[list[int]], "[[1], [2]]", [[1], [2]]),
        (list[list[int]], ["[1]", [2]], [[1], [2]]),
        (list[str], '["a", "[1]"]', ["a", "[1]"]),
        (list[int] | None, "[1]", [1]),
        (list[int] | None, "null", None),
        (set[int], "[1, 1]", {1}),
        (tuple[int, str], '[1, "2"]', (1, "2")),
        (Pair, "[1]", Pair(1)),
        (dict[str, int], '{"a": "1"}', {"a": 1}),
        (dict[str, list[int]], {"a": "[1]"}, {"a": [1]}),
        (dict, '{"a": [1]}', {"a": [1]}),
        (Point, '{"x": 1}', Point(1)),
        (list[Point], ['{"x": 1, "tags": "[]"}'], [Point(1)]),
        (Row, '{"title": "T"}', {"title": "T"}),
        (Note, '{"text": "t"}', Note(text="t")),
        (
            Note,
            {"text": "[1]", "tags": '["a"]', "notes": '[{"text": "u"}]'},
            Note(text="[1]", tags=["a"], notes=[Note(text="u")]),
        ),
        (Pet, '{"kind": "cat", "lives": "9"}', Cat(kind="cat", lives=9)),
        (Cat | Dog, '{"kind": "cat", "lives": "9"}', Cat(kind="cat", lives=9)),
        (Meters | Feet, '{"feet": "9"}', Feet(feet=9)),
        (list[int] | dict[str, int], "[1]", [1]),
        (list[int] | dict[str, int], '{"a": 1}', {"a": 1}),
        (Literal["all"] | list[int], "[1]", [1]),
        (date | list[int], "[1]", [1]),
        # Series are read at once.
        (Iterable[int], [1, "2"], [1, 2]),
        (Iterable[int], "[1, 2]", [1, 2]),
        (Iterable[int] | None, "null", None),
        (list[Iterable[int]], [["1"]], [[1]]),
        (dict[str, Iterable[int]], {"a": "[1]"}, {"a": [1]}),
        (Generator[int, None, None], [1], [1]),
        (Shelf, {"books": "[1]"}, Shelf([1])),
        (list[Shelf], [{"books": ["1"]}], [Shelf([1])]),
        # Members of enums by what the schema shows of them.
        (Corner, [0, 1], Corner.LEFT),
        (Corner, "[0, 1]", Corner.LEFT),
        (Corner | None, [2, 1], Corner.RIGHT),
        (list[Corner], [[0, 1]], [Corner.LEFT]),
        (Holiday, "2026-12-25", Holiday.CHRISTMAS),
        (Access, 3, Access.READ | Access.WRITE),
        (Access, "3", Access.READ | Access.WRITE),
        (Access, 0, Access(0)),
        # Text stays text.
        (str, "[1, 2]", "[1, 2]"),
        (str, "5", "5"),
        (str, "null", "null"),
        (str | None, "null", "null"),
        (str | list[int], "[1, 2]", "[1, 2]"),
        (str | int, "5", "5"),
        (int | Annotated[str, Field(max_length=3)] | None, "5", "5"),
        (Literal["all"] | list[int], "all", "all"),
        (Literal["[1]"] | list[int], "[1]", "[1]"),
        (Any, "[1]", "[1]"),
        (object, "[1]", "[1]"),
        (list[Any], '["[1]"]', ["[1]"]),
        # Numbers, booleans and choices as text.
        (int, "5", 5),
        (int, " 5 ", 5),
        (int, "5.0", 5),
        (int, 5.0, 5),
        (int | None, "5", 5),
        (float, "1e3", 1000.0),
        (float, 1, 1.0),
        (bool, "true", True),
        (bool, "False", False),
        (bool, "1", True),
        (bool | None, "null", None),
        (Size, "2", Size.LARGE),
        (Literal[1, 2], "2", 2),
        (Literal["a", 1], "1", 1),
        (Literal[True], "true", True),
        (Literal["1", 1], "1", "1"),
        (int | bool, True, True),
        (bool | int, 1, 1),
        (Decimal, "1E-7", Decimal("1E-7")),
        (Decimal, "-0", Decimal("-0")),
        (Decimal, 1e-7, Decimal("1E-7")),
        # Dates and the like: always text, and the shorter or longer form will do.
        (date, "2026-01-31T00:00:00", date(2026, 1, 31)),
        (datetime, "2026-01-31", datetime(2026, 1, 31)),
        (time, "10:00", time(10)),
        (timedelta, "PT5S", timedelta(seconds=5)),
        (date | int, "0", 0),
        # Null that is base64 as well.
        (bytes | None, "null", None),
        (list[bytes | None], ["null"], [None]),
        (bytes, "null", b"\x9e\xe9e"),
        # Null and blank text for what need not be given.
        (Note, {"text": "t", "number": None, "tags": ""}, Note(text="t")),
        (Row, {"title": "T", "pages": None}, {"title": "T"}),
        (list[Note], [{"text": "t", "tags": None}], [Note(text="t")]),
        (int | None, "", None),
        (date | None, " ", None),
        # What the developer's own function makes of it is theirs.
        (Annotated[int, BeforeValidator(lambda value: 7)], True, 7),
    ],
)
def test_argument_is_converted_where_there_is_no_doubt(
    annotation: Any, given: Any, expected: Any
) -> None:
    """We chose it: models send such things, and prompts and URIs have only text."""
    value = reading(annotation).arguments({"value": given})["value"]

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "default", "given"),
    [
        (int, 10, None),
        (int, 10, ""),
        (bool, False, None),
        (bool, False, " "),
        (str, "x", None),
        (float, 0.5, ""),
        (list[int], [1], None),
        (list[int], [1], ""),
        (date, date(2026, 1, 31), ""),
        (Color, Color.RED, None),
        (Color, Color.RED, ""),
        (Size, Size.LARGE, ""),
        (UUID, UUID(int=1), ""),
        (Note, Note(text="t"), None),
        (dict[str, int], {"a": 1}, ""),
    ],
)
def test_null_and_blank_text_are_the_default(
    annotation: Any, default: Any, given: Any
) -> None:
    """We chose it: both are how models and forms say that they say nothing."""
    signature = reading(annotation, default)

    assert signature.arguments({"value": given}) == {"value": default}


@pytest.mark.parametrize(
    ("annotation", "default", "given"),
    [
        (int | None, 3, None),
        (Any, 3, None),
        (Any, 3, ""),
        (str, "x", ""),
        (str | None, "x", ""),
        (Literal["", "a"], "a", ""),
        (Literal["a", None], "a", None),
    ],
)
def test_null_and_blank_text_are_kept_where_they_are_values(
    annotation: Any, default: Any, given: Any
) -> None:
    """We chose it: the schema says that they are."""
    signature = reading(annotation, default)

    assert signature.arguments({"value": given}) == {"value": given}


HUGE = 10**400
CUT = f"1{'0' * 37}...{'0' * 39}"

TOO_MANY = [*["1.5"] * MAX_FITTED, "x"]


@pytest.mark.parametrize(
    ("annotation", "given", "text"),
    [
        (int, True, "value: Input should be a valid integer (got True)"),
        (int | None, False, "value: Input should be a valid integer (got False)"),
        (int | str, True, "value: Input should be a valid integer (got True)"),
        (float, True, "value: Input should be a valid number (got True)"),
        (Decimal, True, "value: Input should be a valid number (got True)"),
        (Size, True, "value: Input should be a valid integer (got True)"),
        (Literal[1], True, "value: Input should be a valid integer (got True)"),
        (list[int], [1, True], "value[1]: Input should be a valid integer (got True)"),
        (list[int], "[true]", "value[0]: Input should be a valid integer (got True)"),
        (
            Note,
            {"text": "t", "number": True},
            "value.number: Input should be a valid integer (got True)",
        ),
        (
            Pet,
            {"kind": "cat", "lives": True},
            "value.lives: Input should be a valid integer (got True)",
        ),
        (
            Note,
            {"text": "t", "notes": [{"text": "u", "number": True}]},
            "value.notes[0].number: Input should be a valid integer (got True)",
        ),
        (bool, 1, "value: Input should be a valid boolean (got 1)"),
        (bool, 0.0, "value: Input should be a valid boolean (got 0.0)"),
        (Literal[True], 1, "value: Input should be a valid boolean (got 1)"),
        (
            dict[str, bool],
            {"a": 1},
            "value.a: Input should be a valid boolean (got 1)",
        ),
        (date, 5, "value: Input should be a valid date, as text (got 5)"),
        (datetime, 1.5, "value: Input should be a valid datetime, as text (got 1.5)"),
        (time | None, 5, "value: Input should be a valid time, as text (got 5)"),
        (timedelta, 5, "value: Input should be a valid duration, as text (got 5)"),
        (float, "nan", "value: Input should be a finite number (got 'nan')"),
        (float, "-Inf", "value: Input should be a finite number (got '-Inf')"),
        (Decimal, "NaN", "value: Input should be a finite number (got 'NaN')"),
        (date, "0", "value: Input should be a valid date (got '0')"),
        (list[date], ["0"], "value[0]: Input should be a valid date (got '0')"),
        (date | None, "1e5", "value: Input should be a valid date (got '1e5')"),
        (
            datetime,
            "1700000000",
            "value: Input should be a valid datetime (got '1700000000')",
        ),
        (date, " 5\n", "value: Input should be a valid date (got ' 5\\n')"),
        (
            list[datetime],
            ["2026-01-31T00:00:00", "5."],
            "value[1]: Input should be a valid datetime (got '5.')",
        ),
        (time, "5", "value: Input should be a valid time (got '5')"),
        (timedelta, "5", "value: Input should be a valid duration (got '5')"),
        (float, "1e400", "value: Input should be a finite number (got '1e400')"),
        (float, "-1e400", "value: Input should be a finite number (got '-1e400')"),
        (list[float], [HUGE], f"value[0]: Input should be a finite number (got {CUT})"),
        (Gauge, {"x": HUGE}, f"value.x: Input should be a finite number (got {CUT})"),
        (float | None, HUGE, f"value: Input should be a finite number (got {CUT})"),
        (
            Iterable[int],
            [1, "x"],
            "value[1]: Input should be a valid integer, unable to parse string as an "
            "integer (got 'x')",
        ),
        (Iterable[str], "abc", "value: Input should be a valid array (got 'abc')"),
        (
            Shelf,
            {"books": [None]},
            "value.books[0]: Input should be a valid integer (got None)",
        ),
        (Access, 8, "value: Input should be 1 or 2 (got 8)"),
        (Access, True, "value: Input should be a valid integer (got True)"),
        (Corner, [1, 1], "value: Input should be (0, 1) or (2, 1) (got [1, 1])"),
        (str, 5, "value: Input should be a valid string (got 5)"),
        (
            int,
            "",
            "value: Input should be a valid integer, unable to parse string as "
            "an integer (got '')",
        ),
        (int, None, "value: Input should be a valid integer (got None)"),
        (list[int], None, "value: Input should be a valid array (got None)"),
        (list[int], "1, 2", "value: Input should be a valid array (got '1, 2')"),
        (list[int], "[1", "value: Input should be a valid array (got '[1')"),
        (list[float], "[NaN]", "value: Input should be a valid array (got '[NaN]')"),
        (list[int], "{}", "value: Input should be a valid array (got '{}')"),
        (list[int], '"[1]"', "value: Input should be a valid array (got '\"[1]\"')"),
        (list[int], "5", "value: Input should be a valid array (got '5')"),
        (dict[str, int], "[]", "value: Input should be an object (got '[]')"),
        (
            Note,
            '{"number": 1}',
            "value.text: missing, but required",
        ),
        # Strict types of the developer stay strict.
        (StrictInt, "5", "value: Input should be a valid integer (got '5')"),
        (
            Strict,
            {"number": "5"},
            "value.number: Input should be a valid integer (got '5')",
        ),
        (
            list[float],
            TOO_MANY,
            f"value[{MAX_FITTED - 2}]: too many values here are not as the schema says "
            "(got '1.5')",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_argument_in_doubt_is_refused(annotation: Any, given: Any, text: str) -> None:
    """We chose it: what contradicts our own schema, or can be meant in several ways."""
    assert refusal(reading(annotation), given) == text


def test_what_is_wrong_is_told_together() -> None:
    """We chose it: a model mends all of it at once."""

    def function(a: int, b: int, c: bool) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        read_signature(function, name="tool").arguments({"a": True, "b": "x", "c": 1})
    assert str(caught.value) == (
        "invalid arguments for tool: a: Input should be a valid integer (got True); "
        "c: Input should be a valid boolean (got 1); b: Input should be a valid "
        "integer, unable to parse string as an integer (got 'x')"
    )


def test_many_numbers_as_text_are_converted() -> None:
    """We chose it: such lists need not be looked through."""
    values = reading(list[int]).arguments({"value": ["1"] * (MAX_FITTED + 1)})

    assert values == {"value": [1] * (MAX_FITTED + 1)}


def test_verbatim_schema_is_applied_to_what_was_sent() -> None:
    """We chose it: who writes a schema wants it and nothing else."""

    def function(value: list[int]) -> None: ...

    schema = {"type": "object", "properties": {"value": {"type": "array"}}}
    signature = read_signature(function, name="tool", input_schema=schema)

    assert refusal(signature, "[1]") == "value: '[1]' is not of type 'array'"


def test_request_is_left_untouched() -> None:
    """We chose it: a handler that asks is run again with the same request."""
    given = {"value": {"text": "t", "number": None, "tags": '["a"]'}}
    before = json.dumps(given)
    reading(Note).arguments(given)

    assert json.dumps(given) == before


# Prompts, resources and completions: always text --------------------------------------


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.prompt
    def compare(
        ids: list[int],
        weights: dict[str, float] | None = None,
        note: Note | None = None,
        pair: tuple[int, str] = (1, "a"),
        tags: set[str] = frozenset(),  # type: ignore[assignment]
        limit: int = 5,
        text: str = "",
    ) -> str:
        """Compare orders.

        Args:
            ids: Which.
        """
        return repr([ids, weights, note, pair, sorted(tags), limit, text])

    @server.resource("shop://orders/{ids}/{limit}")
    def orders(ids: list[int], limit: int) -> str:
        return repr([ids, limit])

    @server.completion(compare, "ids")
    def complete(value: int, arguments: dict[str, Any]) -> list[str]:
        return [repr([value, arguments])]

    return server


async def test_prompt_arguments_are_read_from_json_text(server: Server) -> None:
    """Spec: 2025-11-25 schema.ts, `GetPromptRequestParams.arguments`: all are text."""
    arguments = {
        "ids": "[1, 2]",
        "weights": '{"a": "0.5"}',
        "note": '{"text": "t"}',
        "pair": '[2, "b"]',
        "tags": '["b", "a"]',
        "limit": "",
        "text": "[1]",
    }
    got = await Caller(server).call(
        "prompts/get", {"name": "compare", "arguments": arguments}
    )
    assert got["messages"][0]["content"]["text"] == repr(
        [[1, 2], {"a": 0.5}, Note(text="t"), (2, "b"), ["a", "b"], 5, "[1]"]
    )


async def test_prompt_argument_that_is_no_json_text_is_refused(server: Server) -> None:
    """Spec: 2025-11-25 server/prompts, "Error Handling"."""
    error = await Caller(server).error_of(
        "prompts/get", {"name": "compare", "arguments": {"ids": "1, 2"}}
    )
    assert (error.code, error.message) == (
        INVALID_PARAMS,
        "invalid arguments for compare: ids: Input should be a valid array (got "
        "'1, 2')",
    )


async def test_people_are_told_which_prompt_arguments_are_json_text(
    server: Server,
) -> None:
    """We chose it: they write the arguments, and see nothing else of their types."""
    [prompt] = (await Caller(server).call("prompts/list"))["prompts"]
    told = {one["name"]: one.get("description") for one in prompt["arguments"]}

    assert told["ids"] == (
        'Which.\n\nAs JSON text that fits {"items": {"type": "integer"}, '
        '"type": "array"}'
    )
    assert told["weights"] == (
        'As JSON text that fits {"anyOf": [{"additionalProperties": '
        '{"type": "number"}, "type": "object"}, {"type": "null"}]}'
    )
    assert told["note"] == "As JSON text.", "what contains itself is too long"
    assert (told["limit"], told["text"]) == (None, None)


async def test_variables_of_a_uri_are_read_from_json_text(server: Server) -> None:
    """We chose it: a URI has nothing but text."""
    read = await Caller(server).call(
        "resources/read", {"uri": "shop://orders/%5B1%2C%202%5D/3"}
    )
    assert read["contents"][0]["text"] == "[[1, 2], 3]"


async def test_completion_converts_what_was_typed(server: Server) -> None:
    """We chose it: what was typed is text."""
    completed = await Caller(server).call(
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "compare"},
            "argument": {"name": "ids", "value": "7"},
            "context": {"arguments": {"text": "[1]"}},
        },
    )
    assert completed["completion"]["values"] == ["[7, {'text': '[1]'}]"]


# Properties ---------------------------------------------------------------------------

ANNOTATIONS: list[Any] = [
    int,
    list[int],
    dict[str, bool],
    Note,
    Pet,
    Cat | Dog,
    Point | list[Size] | None,
    Literal[1, "a", None],
    tuple[int, date, Decimal],
    float | list[Row],
]
SIGNATURES = [reading(annotation) for annotation in ANNOTATIONS]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "1", "true", "null", "nan", "[1]", '{"x": 1}', "cat", "[["])
    | st.just(1.5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "lives", "text", "notes", "x", "tags", "title"]),
            inner,
            max_size=3,
        )
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SIGNATURES), VALUES)
def test_what_the_schema_allows_is_taken_as_it_is(
    signature: Signature, value: Any
) -> None:
    """We chose it: conversions are for what the schema does not allow."""
    is_valid = Draft202012Validator(signature.input_schema).is_valid({"value": value})
    fitted, doubts = Fitting(signature.input_schema).fit(
        {"value": json.loads(json.dumps(value))}
    )
    if is_valid:
        assert fitted == {"value": value}
        assert not doubts
    try:
        signature.arguments({"value": value})
    except InvalidArguments as error:
        assert len(str(error)) < 11 * 700
