"""What tools return, as it goes into results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from inspect import Signature
from types import NoneType
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet, TextChoices
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mcp_types import (
    Annotations,
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_serializer
from typing_extensions import TypeAliasType, TypedDict

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.results.tool_results import ToolOutput

ADVICE = (
    "; return plain values instead, such as `list(queryset.values(...))`, or a "
    "dataclass"
)


class Color(Enum):
    RED = "red"


Words = NewType("Words", str)


class Tone(str, Enum):  # noqa: UP042  # as many still write it
    WARM = "warm"


class Mood(StrEnum):
    GOOD = "good"


class Status(TextChoices):
    OPEN = "open", "Still open"


@dataclass
class Point:
    x: int
    label: str | None = None


class Row(TypedDict):
    title: str


class Book(BaseModel):
    """A book."""

    book_id: int = Field(alias="bookId")
    subtitle: str | None = None

    @computed_field
    def link(self) -> str:
        return f"/books/{self.book_id}"


class Account(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    username: str


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Unwritable(BaseModel):
    value: int

    @field_serializer("value")
    def write(self, value: int) -> int:
        raise ValueError("out of paper")


Blocks = TypeAliasType("Blocks", list[TextContent | ImageContent])

TEXT = TextContent(text="x")
IMAGE = ImageContent(data="AA==", mime_type="image/png")
WRITTEN_TEXT = {"type": "text", "text": "x"}
WRITTEN_IMAGE = {"type": "image", "data": "AA==", "mimeType": "image/png"}
OPTIONAL_TEXT = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


# Structured results of tools --------------------------------------------------------


@pytest.mark.parametrize(
    ("returns", "schema", "value", "structured", "written"),
    [
        (int, {"type": "integer"}, 3, 3, "3"),
        (bool, {"type": "boolean"}, True, True, "true"),
        (float, {"type": "number"}, 3, 3.0, "3.0"),
        (
            date,
            {"type": "string", "format": "date"},
            date(2026, 1, 31),
            "2026-01-31",
            '"2026-01-31"',
        ),
        (Decimal, {"type": "string"}, Decimal("1.50"), "1.50", '"1.50"'),
        (Decimal, {"type": "string"}, Decimal("1E-7"), "1E-7", '"1E-7"'),
        (
            UUID,
            {"type": "string", "format": "uuid"},
            UUID(int=255),
            "00000000-0000-0000-0000-0000000000ff",
            '"00000000-0000-0000-0000-0000000000ff"',
        ),
        (Color, {"type": "string", "enum": ["red"]}, Color.RED, "red", "red"),
        (Mood, {"type": "string", "enum": ["good"]}, Mood.GOOD, "good", "good"),
        (Status, {"type": "string", "enum": ["open"]}, Status.OPEN, "open", "open"),
        (Literal["a"], {"type": "string", "const": "a"}, "a", "a", "a"),
        (list, {"type": "array", "items": {}}, [1, None], [1, None], "[1,null]"),
        (list[int], {"type": "array", "items": {"type": "integer"}}, (1,), [1], "[1]"),
        (
            dict[str, Any],
            {"type": "object", "additionalProperties": True},
            {"a": None, "NaN": gettext_lazy("lazy")},
            {"a": None, "NaN": "lazy"},
            '{"a":null,"NaN":"lazy"}',
        ),
        (
            dict[int, str],
            {"type": "object", "additionalProperties": {"type": "string"}},
            {1: "a"},
            {"1": "a"},
            '{"1":"a"}',
        ),
        (
            Point,
            {
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "label": {**OPTIONAL_TEXT, "default": None},
                },
                "required": ["x"],
            },
            Point(1),
            {"x": 1, "label": None},
            '{"x":1,"label":null}',
        ),
        (
            list[Row],
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"title": {"type": "string"}},
                    "required": ["title"],
                },
            },
            [{"title": "T"}],
            [{"title": "T"}],
            '[{"title":"T"}]',
        ),
        (
            Book,
            {
                "type": "object",
                "description": "A book.",
                "properties": {
                    "bookId": {"type": "integer"},
                    "subtitle": {**OPTIONAL_TEXT, "default": None},
                    "link": {"type": "string", "readOnly": True},
                },
                "required": ["bookId", "link"],
            },
            Book(bookId=1),
            {"bookId": 1, "subtitle": None, "link": "/books/1"},
            '{"bookId":1,"subtitle":null,"link":"/books/1"}',
        ),
        (
            Node,
            {
                "type": "object",
                "$ref": "#/$defs/Node",
                "$defs": {
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
                },
            },
            Node(value=1, children=[Node(value=2)]),
            {"value": 1, "children": [{"value": 2, "children": []}]},
            '{"value":1,"children":[{"value":2,"children":[]}]}',
        ),
    ],
)
def test_annotated_result_is_structured_and_written_as_text(
    returns: Any, schema: dict[str, Any], value: Any, structured: Any, written: str
) -> None:
    """Spec: 2026-07-28 server/tools, "Structured Content": text beside it."""
    output = ToolOutput.of(returns)

    assert output.schema == schema
    result = output.result(value)
    assert result == {"content": [text(written)], "structuredContent": structured}
    assert type(result["structuredContent"]) in (
        type(structured),
        type(mark_safe("")),
    )
    Draft202012Validator(schema).validate(json.loads(json.dumps(structured)))


@pytest.mark.parametrize(
    ("returns", "value", "written"),
    [
        (str, 'a "b" é', 'a "b" é'),
        (str, "line\nline", "line\nline"),
        (str, "", ""),
        (str, mark_safe("<b>"), "<b>"),
        (str, gettext_lazy("lazy"), "lazy"),
        (Optional[str], "x", "x"),  # noqa: UP045
        (None | str, "x", "x"),
        (Annotated[str, Field(max_length=3)], "abc", "abc"),
        (Annotated[str | None, Field(description="Of the day.")], "x", "x"),
        (Annotated[str, Field(max_length=3)] | None, "abc", "abc"),
        (TypeAliasType("Words", str), "x", "x"),
        (TypeAliasType("Words", str | None), "x", "x"),
        (Words, "x", "x"),
        (NewType("Name", Words), "x", "x"),
        (Words | None, "x", "x"),
        (TypeAliasType("Words", Words | None), "x", "x"),
    ],
)
def test_text_is_text_only(returns: Any, value: Any, written: str) -> None:
    """We chose it: hosts show their model a text as it is, but a structured one as
    JSON, with its line ends escaped."""
    output = ToolOutput.of(returns)

    assert output.schema is None
    assert output.result(value) == {"content": [text(written)]}


@pytest.mark.parametrize(
    "returns", [str | None, Annotated[str | None, Field()], Words | None]
)
def test_no_text_is_no_content(returns: Any) -> None:
    """We chose it: as without an annotation."""
    assert ToolOutput.of(returns).result(None) == {"content": []}


@pytest.mark.parametrize(
    ("returns", "schema", "value", "written"),
    [
        (str, {"type": "string"}, "NaN", "NaN"),
        (str, {"type": "string"}, mark_safe("<b>"), "<b>"),
        (str, {"type": "string"}, gettext_lazy("lazy"), "lazy"),
        (str | None, OPTIONAL_TEXT, None, "null"),
        (str | None, OPTIONAL_TEXT, "x", "x"),
    ],
)
def test_text_is_structured_for_who_insists(
    returns: Any, schema: JSONObject, value: Any, written: str
) -> None:
    """We chose it: `structured=True`."""
    output = ToolOutput.of(returns, structured=True)

    assert output.schema == schema
    structured = None if value is None else written
    assert output.result(value) == {
        "content": [text(written)],
        "structuredContent": structured,
    }


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (Literal["a"], "a"),
        (Literal["a"] | None, "a"),
        (Mood, Mood.GOOD),
        (str | int, "a"),
        (list[str], ["a"]),
        (dict[str, str], {"a": "b"}),
    ],
)
def test_what_is_more_than_text_is_structured(returns: Any, value: Any) -> None:
    """We chose it: one of several words, or a list of texts, is worth a schema."""
    output = ToolOutput.of(returns)

    assert output.schema is not None
    assert output.result(value)["structuredContent"] == value


@pytest.mark.parametrize(
    ("returns", "value", "structured"),
    [
        (list[Point], [{"x": 1}], [{"x": 1, "label": None}]),
        (Book, {"book_id": 1}, {"bookId": 1, "subtitle": None, "link": "/books/1"}),
        (Book, {"bookId": 1}, {"bookId": 1, "subtitle": None, "link": "/books/1"}),
        (Account, User(username="ada"), {"username": "ada"}),
        (list[int], range(2), [0, 1]),
        (list[int], (number for number in (0, 1)), [0, 1]),
        (int, "3", 3),
        (date, datetime(2026, 1, 31), "2026-01-31"),
    ],
)
def test_value_that_can_become_the_annotated_type_does(
    returns: Any, value: Any, structured: Any
) -> None:
    """We chose it: rows of `queryset.values()` fit dataclasses and models."""
    assert ToolOutput.of(returns).result(value)["structuredContent"] == structured


def broken_node() -> Node:
    node = Node(value=1)
    node.value = "secret"  # type: ignore[assignment]
    return node


@pytest.mark.parametrize(
    ("returns", "value", "message"),
    [
        (
            int,
            "secret",
            "returned str, which does not fit int: Input should be a valid integer, "
            "unable to parse string as an integer",
        ),
        (
            str,
            5,
            "returned int, which does not fit str: Input should be a valid string",
        ),
        (
            int,
            None,
            "returned NoneType, which does not fit int: Input should be a valid "
            "integer",
        ),
        (
            list[Point],
            [Point(1), {"x": "secret"}],
            "returned list, which does not fit "
            "list[tests.server.results.test_tool_results.Point]: [1].x: Input should "
            "be a valid integer, unable to parse string as an integer",
        ),
        (
            Literal["a"],
            "b",
            "returned str, which does not fit typing.Literal['a']: Input should be 'a'",
        ),
        (
            Node,
            broken_node(),
            "returned Node, which does not fit Node: an attribute is not of the type "
            "that its own annotation says",
        ),
        (
            Unwritable,
            Unwritable(value=1),
            "cannot write Unwritable as JSON: Error calling function `write`: "
            "ValueError: out of paper",
        ),
        (
            list[Point],
            User.objects.all(),
            "returned QuerySet, which does not fit "
            "list[tests.server.results.test_tool_results.Point]: "
            "Input should be a valid list" + ADVICE,
        ),
        (
            dict,
            User(),
            "returned User, which does not fit dict: Input should be a valid dictionary"
            + ADVICE,
        ),
        (dict[str, Any], {"user": User()}, "cannot write User as JSON" + ADVICE),
        (list[Any], [object()], "cannot write object as JSON"),
        (
            int,
            TEXT,
            "returned TextContent, which does not fit int: Input should be a valid "
            "integer",
        ),
    ],
)
def test_value_of_another_type_is_a_type_error_without_the_value(
    returns: Any, value: Any, message: str
) -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema": results MUST conform."""
    with pytest.raises(TypeError) as caught:
        ToolOutput.of(returns).result(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (float, math.nan),
        (float | None, math.inf),
        (list[float], [1.0, -math.inf]),
        (dict[str, float], {"a": math.nan}),
    ],
)
def test_number_that_json_has_no_word_for_is_a_value_error_in_place_of_a_number(
    returns: Any, value: Any
) -> None:
    """Spec: RFC 8259, section 6: NaN and Infinity are not permitted."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        ToolOutput.of(returns).result(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_json_has_no_word_for_is_null_in_place_of_anything(
    number: float,
) -> None:
    """We chose it, as browsers do."""
    written = text('{"a":null}')
    value = {"a": number}

    assert ToolOutput.of(Signature.empty).result(value) == {"content": [written]}
    assert ToolOutput.of(dict[str, Any]).result(value) == {
        "content": [written],
        "structuredContent": {"a": None},
    }
    assert ToolOutput.of(Any, output_schema={}).result(value) == {
        "content": [written],
        "structuredContent": {"a": None},
    }


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (str, "a\ud800"),
        (list[str], ["a\ud800"]),
        (Signature.empty, "a\ud800"),
        (Signature.empty, {"a\ud800": 1}),
        (TextContent, TextContent(text="a\ud800")),
    ],
)
def test_text_that_is_no_unicode_is_a_value_error(returns: Any, value: Any) -> None:
    """Spec: RFC 8259, section 8.1: JSON text is UTF-8."""
    with pytest.raises(ValueError, match=r"surrogates not allowed|invalid utf-8"):
        ToolOutput.of(returns).result(value)


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (
            User,
            "a result of type User cannot be described: Unable to generate "
            "pydantic-core schema for <class 'django.contrib.auth.models.User'>",
        ),
        (
            QuerySet[User],
            "a result of type QuerySet cannot be described: Unable to generate "
            "pydantic-core schema for <class 'django.db.models.query.QuerySet'>",
        ),
        (
            list[User],
            "a result of type list[django.contrib.auth.models.User] cannot be "
            "described: Unable to generate pydantic-core schema for <class "
            "'django.contrib.auth.models.User'>",
        ),
    ],
)
def test_annotation_that_cannot_be_described_is_refused(
    returns: Any, message: str
) -> None:
    """We chose to say it when registering, not when the first client calls."""
    with pytest.raises(ValueError) as caught:
        ToolOutput.of(returns)
    assert str(caught.value) == message + ADVICE + ", or pass structured=False"


def test_pattern_that_pydantic_refuses_is_said_to_be_one() -> None:
    """We chose it: the advice for other types would not help."""
    with pytest.raises(ValueError) as caught:
        ToolOutput.of(list[Annotated[str, Field(pattern="(?=a)")]])
    assert str(caught.value) == (
        "the annotation of the result has a pattern that pydantic's regex engine "
        "refuses '(?=a)': look-around, including look-ahead and look-behind, is not "
        "supported; write another one, or check the value in the function"
    )


# Unstructured results of tools ------------------------------------------------------


@pytest.mark.parametrize(
    "returns",
    [
        Signature.empty,
        Any,
        object,
        None,
        NoneType,
        TextContent,
        CallToolResult,
        ContentBlock,
        TextContent | None,
        list[TextContent],
        list[ContentBlock],
        list[TextContent | str],
        tuple[str, ImageContent],
        Sequence[AudioContent],
        Iterable[ResourceLink],
        list[list[EmbeddedResource]],
        Annotated[list[ImageContent], "note"],
        str | list[ImageContent],
        Blocks,
    ],
)
def test_open_annotation_or_one_with_content_blocks_is_unstructured(
    returns: Any,
) -> None:
    """We chose it: content blocks are for people, not for programs."""
    output = ToolOutput.of(returns)

    assert output.schema is None
    assert output.result("x") == {"content": [WRITTEN_TEXT]}
    with pytest.raises(ValueError, match="structured=True needs a return annotation"):
        ToolOutput.of(returns, structured=True)


def test_structured_result_can_be_switched_off() -> None:
    """We chose it."""
    output = ToolOutput.of(Point, structured=False)

    assert output.schema is None
    assert output.result(Point(1)) == {"content": [text('{"x":1,"label":null}')]}
    assert ToolOutput.of(User, structured=False).schema is None


def test_structured_result_can_be_insisted_on() -> None:
    """We chose it."""
    assert ToolOutput.of(int, structured=True).schema == {"type": "integer"}


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (None, []),
        ("x", [WRITTEN_TEXT]),
        ("", [text("")]),
        (gettext_lazy("x"), [WRITTEN_TEXT]),
        (3, [text("3")]),
        ({"a": None}, [text('{"a":null}')]),
        (Book(bookId=1), [text('{"bookId":1,"subtitle":null,"link":"/books/1"}')]),
        ([], [text("[]")]),
        (["a", None], [text('["a",null]')]),
        (TEXT, [WRITTEN_TEXT]),
        (IMAGE, [WRITTEN_IMAGE]),
        (Color.RED, [text("red")]),
        (Tone.WARM, [text("warm")]),
        ([TEXT, IMAGE], [WRITTEN_TEXT, WRITTEN_IMAGE]),
        (("a", IMAGE, {"b": 1}, None), [text("a"), WRITTEN_IMAGE, text('{"b":1}')]),
        (
            AudioContent(data="AA==", mime_type="audio/wav"),
            [{"type": "audio", "data": "AA==", "mimeType": "audio/wav"}],
        ),
        (
            ResourceLink(uri="shop://a", name="a"),
            [{"type": "resource_link", "uri": "shop://a", "name": "a"}],
        ),
        (
            EmbeddedResource(resource=TextResourceContents(uri="shop://a", text="x")),
            [{"type": "resource", "resource": {"uri": "shop://a", "text": "x"}}],
        ),
        (
            TextContent(
                text="x",
                annotations=Annotations(priority=0.5),
                _meta={"a": None, "b": {"c": None}},
            ),
            [
                {
                    **WRITTEN_TEXT,
                    "annotations": {"priority": 0.5},
                    "_meta": {"a": None, "b": {"c": None}},
                }
            ],
        ),
    ],
)
def test_unstructured_value_is_written_as_content(
    value: Any, content: list[dict[str, Any]]
) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Result"; absent members are left out."""
    assert ToolOutput.of(Signature.empty).result(value) == {"content": content}


@pytest.mark.parametrize(
    ("value", "content"),
    [([], []), (["a"], [text("a")]), (("a", ["b"]), [text("a"), text('["b"]')])],
)
def test_list_is_a_list_of_blocks_where_the_annotation_says_so(
    value: Any, content: list[dict[str, Any]]
) -> None:
    """We chose it, so that the shape does not depend on what is in the list."""
    output = ToolOutput.of(list[TextContent | str])

    assert output.result(value) == {"content": content}


@pytest.mark.parametrize("annotation", [list, list[Any], tuple, Sequence[object]])
def test_blocks_are_seen_where_the_annotation_does_not_tell_of_them(
    annotation: Any,
) -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema": what is promised is there too."""
    result = ToolOutput.of(annotation).result([TEXT, "b", 3])

    assert result["content"] == [WRITTEN_TEXT, text("b"), text("3")]
    assert result["structuredContent"][1:] == ["b", 3]


def test_call_tool_result_is_written_as_it_is() -> None:
    """We chose it; `resultType` belongs to the layer that knows the version."""
    result = CallToolResult(
        content=[TEXT],
        structured_content={"a": None, "book": Book(bookId=1)},
        is_error=True,
        _meta={"b": None},
    )

    assert ToolOutput.of(Signature.empty).result(result) == {
        "_meta": {"b": None},
        "content": [WRITTEN_TEXT],
        "structuredContent": {
            "a": None,
            "book": {"bookId": 1, "subtitle": None, "link": "/books/1"},
        },
        "isError": True,
    }
    assert ToolOutput.of(CallToolResult).result(CallToolResult(content=[])) == {
        "content": [],
        "isError": False,
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (User(), "cannot write User as JSON" + ADVICE),
        (User.objects.all(), "cannot write QuerySet as JSON" + ADVICE),
        ([Point(1), {"user": User()}], "cannot write User as JSON" + ADVICE),
        (object(), "cannot write object as JSON"),
    ],
)
def test_value_without_json_is_a_type_error(value: Any, message: str) -> None:
    """We chose it: a database row is not for clients until somebody said which part."""
    with pytest.raises(TypeError) as caught:
        ToolOutput.of(Signature.empty).result(value)
    assert str(caught.value) == message


# Verbatim output schemas ------------------------------------------------------------

VERBATIM = {
    "type": "object",
    "properties": {"x": {"type": "integer"}},
    "required": ["x"],
}


@pytest.mark.parametrize(
    ("schema", "value", "structured", "written"),
    [
        (VERBATIM, {"x": 1, "y": None}, {"x": 1, "y": None}, '{"x":1,"y":null}'),
        (VERBATIM, Point(1), {"x": 1, "label": None}, '{"x":1,"label":null}'),
        ({"type": "string"}, "a", "a", "a"),
        ({"type": "null"}, None, None, "null"),
        ({}, [1], [1], "[1]"),
    ],
)
def test_verbatim_output_schema_is_shown_and_kept(
    schema: dict[str, Any], value: Any, structured: Any, written: str
) -> None:
    """We chose it: the annotation plays no role then."""
    output = ToolOutput.of(int, output_schema=schema)

    assert output.schema == schema
    assert output.result(value) == {
        "content": [text(written)],
        "structuredContent": structured,
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": "secret"}, "returned dict, {}: x: the value is not of type 'integer'"),
        ({}, "returned dict, {}: 'x' is a required property"),
        ("secret", "returned str, {}: the value is not of type 'object'"),
        (
            CallToolResult(content=[]),
            "returned CallToolResult, {}: the value is not of type 'object'",
        ),
        (User(), "cannot write User as JSON" + ADVICE),
    ],
)
def test_value_that_breaks_a_verbatim_output_schema_is_a_type_error(
    value: Any, message: str
) -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema": results MUST conform."""
    with pytest.raises(TypeError) as caught:
        ToolOutput.of(Any, output_schema=VERBATIM).result(value)
    assert str(caught.value) == message.format(
        "which does not fit the tool's output_schema"
    )


def test_call_tool_result_may_carry_what_a_verbatim_output_schema_wants() -> None:
    """We chose it; a failed call needs no structured value."""
    output = ToolOutput.of(Any, output_schema=VERBATIM)

    assert output.result(CallToolResult(content=[], structured_content={"x": 1})) == {
        "content": [],
        "structuredContent": {"x": 1},
        "isError": False,
    }
    assert output.result(CallToolResult(content=[TEXT], is_error=True)) == {
        "content": [WRITTEN_TEXT],
        "isError": True,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"structured": False, "output_schema": VERBATIM},
            "structured=False leaves no use for output_schema",
        ),
        (
            {"output_schema": {"type": "thing"}},
            "output_schema is no valid JSON Schema: at type: 'thing' is not valid "
            "under any of the given schemas",
        ),
        (
            {"output_schema": {"$ref": "https://site.example/schema"}},
            "output_schema refers to 'https://site.example/schema', which is not in "
            "it; schemas are never fetched, put the definition under $defs",
        ),
    ],
)
def test_unsuitable_output_schema_is_refused(
    options: dict[str, Any], message: str
) -> None:
    """Spec: 2026-07-28 basic/index, "JSON Schema Usage": external $refs not fetched."""
    with pytest.raises(ValueError) as caught:
        ToolOutput.of(Any, **options)
    assert str(caught.value) == message


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_json_value_is_written_unchanged(value: Any) -> None:
    """We chose it: nothing is dropped, neither nulls nor empty things."""
    typed = ToolOutput.of(dict[str, Any]).result({"value": value})
    verbatim = ToolOutput.of(Any, output_schema={}).result(value)

    assert typed["structuredContent"] == {"value": value}
    assert json.loads(typed["content"][0]["text"]) == {"value": value}
    assert verbatim["structuredContent"] == value
