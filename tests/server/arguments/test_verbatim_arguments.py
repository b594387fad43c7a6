"""Arguments, validated by a schema that the developer wrote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import (
    Parameter,
    Signature,
    read_signature,
)
from mcp_django.server.context import SyncContext

LONG = "x" * 1000


CUT = "'" + "x" * 37 + "..." + "x" * 38 + "'"


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


def positional_only(a: int, /) -> None: ...


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
