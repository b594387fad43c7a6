"""`typing.TypedDict`, as handlers have it from the standard library."""

from typing import Annotated, NotRequired, TypedDict

import typing_extensions
from pydantic import Field

from mcp_django.server.results import ToolOutput
from mcp_django.server.signatures import read_signature
from mcp_django.server.typed_dicts import with_portable_typed_dicts


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


def test_other_annotations_stay_what_they_are() -> None:
    """Our choice: nothing is told anew without need."""
    for annotation in (int, list[int], dict[str, Portable], int | None, Portable):
        assert with_portable_typed_dicts(annotation) is annotation
