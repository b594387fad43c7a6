"""`typing.TypedDict`, as handlers have it from the standard library."""

from typing import Annotated, NotRequired, TypedDict

import pytest
import typing_extensions
from jsonschema import Draft202012Validator
from pydantic import Field

from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import read_signature
from mcp_django.server.results.tool_results import ToolOutput
from mcp_django.server.schemas.typed_dicts import with_portable_typed_dicts


class Point(TypedDict):
    """A place."""

    x: int
    y: NotRequired[int]


class Line(TypedDict, total=False):
    """Two places and a name."""

    ends: list[Point]
    name: Annotated[str, Field(min_length=1)]


class Portable(typing_extensions.TypedDict):
    """Of typing_extensions, which pydantic takes as it is."""

    x: int


class Tree(TypedDict):
    """Contains itself."""

    kids: "list[Tree]"


class Question(TypedDict):
    """Contains itself by way of another one."""

    text: str
    answers: NotRequired[Annotated[list["Answer"], Field(max_length=3)]]


class Answer(TypedDict, total=False):
    """Has further questions."""

    question: "Question | None"


def draw(line: Line, start: Point | None = None) -> list[Line]:
    """Draw a line."""
    return [line]


def test_typed_dicts_of_the_standard_library_are_parameters() -> None:
    """Our choice: nobody should need to know what pydantic takes in which Python."""
    signature = read_signature(draw, name="draw")
    point = {
        "type": "object",
        "description": "A place.",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    assert signature.input_schema["properties"] == {
        "line": {
            "type": "object",
            "description": "Two places and a name.",
            "properties": {
                "ends": {"type": "array", "items": point},
                "name": {"type": "string", "minLength": 1},
            },
            "additionalProperties": False,
        },
        "start": {"anyOf": [point, {"type": "null"}], "default": None},
    }
    given = {"line": {"ends": [{"x": 1}]}, "start": {"x": 1, "y": 2}}
    assert signature.arguments(given) == given


def test_typed_dicts_of_the_standard_library_are_results() -> None:
    """Our choice: as for parameters."""
    output = ToolOutput.of(read_signature(draw, name="draw").returns)
    lines = [{"ends": [{"x": 1, "y": 2}], "name": "a"}]
    assert output.result(lines)["structuredContent"] == lines


def plant(trees: list[Tree], more: dict[str, Tree] | None = None) -> Tree:
    """Plant trees."""
    return trees[0]


def ask(question: Question) -> list[Question]:
    """Ask a question."""
    return [question]


FOREST: Tree = {"kids": [{"kids": [{"kids": []}]}]}
QUIZ = {"text": "a", "answers": [{"question": {"text": "b"}}, {"question": None}, {}]}


def test_typed_dicts_that_contain_themselves_are_parameters() -> None:
    """Our choice: at any depth, and by way of others."""
    for function, given in (
        (plant, {"trees": [FOREST], "more": {"a": FOREST}}),
        (ask, {"question": QUIZ}),
    ):
        signature = read_signature(function, name="tool")
        assert signature.arguments(given).items() >= given.items()
        Draft202012Validator(signature.input_schema).validate(given)
    tree = {
        "type": "object",
        "description": "Contains itself.",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["kids"],
        "additionalProperties": False,
    }
    shown = read_signature(plant, name="plant").input_schema
    assert shown["$defs"] == {"Tree": tree}, "one definition, however often it is used"
    with pytest.raises(InvalidArguments, match=r"trees\[0\]\.kids\[0\]\.kids: missing"):
        read_signature(plant, name="plant").arguments({"trees": [{"kids": [{}]}]})


def test_typed_dicts_that_contain_themselves_are_results() -> None:
    """Our choice: as for parameters."""
    for function, value in ((plant, FOREST), (ask, [QUIZ])):
        output = ToolOutput.of(read_signature(function, name="tool").returns)
        assert isinstance(output.schema, dict)
        assert output.result(value)["structuredContent"] == value
        Draft202012Validator(output.schema).validate(value)


def test_other_annotations_stay_what_they_are() -> None:
    """Our choice: nothing is told anew without need."""
    for annotation in (int, list[int], dict[str, Portable], int | None, Portable):
        assert with_portable_typed_dicts({"a": annotation})["a"] is annotation
