"""Schemas that developers write: what they mean, and that no value takes long."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import read_signature
from mcp_django.server.results.tool_results import ToolOutput
from mcp_django.server.schemas.verbatim_schemas import TOO_MUCH_WORK, VerbatimSchema
from tests.work import measured

SECONDS = 0.3
"""Three times what is promised, as some machines are slow."""

MEGABYTES = 60.0

OPEN_TREE: dict[str, JSON] = {
    "anyOf": [
        {"type": "integer"},
        {"type": "null"},
        {"type": "array", "items": {"$ref": "#/$defs/tree"}},
    ]
}
ODD_TREE = {"anyOf": [{"multipleOf": 2, "type": "integer"}, *OPEN_TREE["anyOf"][1:]]}
ROW: dict[str, JSON] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
    "additionalProperties": False,
}


def taking(**arguments: Any) -> None:
    """Take anything."""


def refusal(schema: dict[str, JSON], value: JSON) -> str:
    """Give why a value is refused; "" if it is not."""
    signature = read_signature(
        taking,
        name="take",
        input_schema={
            "type": "object",
            "$defs": {
                "tree": schema.pop("tree", {}),
                "branch": {"anyOf": [_branch("x"), _branch("y"), {"type": "null"}]},
            },
            "properties": {"v": schema},
        },
    )
    try:
        signature.arguments({"v": value})
    except InvalidArguments as error:
        return str(error).removeprefix("invalid arguments for take: ")
    return ""


def _branch(required: str) -> JSON:
    return {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/branch"}},
        "required": [required],
    }


def nested(levels: int) -> JSON:
    value: JSON = None
    for _ in range(levels):
        value = {"next": value}
    return value


HOSTILE: dict[str, tuple[dict[str, JSON], JSON]] = {
    "objects that are all unlike": (
        {"type": "array", "uniqueItems": True},
        [{"a": number} for number in range(100_000)],
    ),
    "a pattern with alternatives behind a lookahead": (
        {"type": "string", "pattern": "^(?=(a|aa)+$)"},
        "a" * 80 + "!",
    ),
    "many texts for such a pattern": (
        {
            "items": {"type": "string", "pattern": "^(?!(a|aa)+$)"},
            "uniqueItems": True,
        },
        ["a" * 24 + f"!{number}" for number in range(10_000)],
    ),
    "names for such a pattern": (
        {"patternProperties": {"^(a|aa)+(?!b)$": {}}, "additionalProperties": False},
        {"a" * 60 + f"!{number}": 1 for number in range(10_000)},
    ),
    "a name as long as a message": (
        {"propertyNames": {"pattern": "^(a+)+$"}},
        {"a" * 4_000_000 + "!": 1},
    ),
    "wrong leaves for three alternatives": (
        {"$ref": "#/$defs/tree", "tree": ODD_TREE},
        ["x"] * 1_000_000,
    ),
    "alternatives that double with each level": (
        {"$ref": "#/$defs/branch"},
        nested(60),
    ),
    "names that are not expected": (
        {"unevaluatedProperties": False, "properties": {"a": {}}},
        {f"a{number}": 1 for number in range(200_000)},
    ),
    "a list in which one item is looked for": (
        {"type": "array", "contains": {"type": "string"}},
        [1] * 2_000_000,
    ),
    "two alternatives of which only one may do": (
        {"items": {"oneOf": [{"type": "integer"}, {"minimum": 3}]}},
        [1] * 2_000_000,
    ),
    "a text as long as a message for a counted pattern": (
        {"type": "string", "pattern": r"^(\w{1,40}\s?)*$"},
        "x " * 2_000_000,
    ),
}


@pytest.mark.parametrize(("schema", "value"), HOSTILE.values(), ids=HOSTILE)
def test_value_that_takes_too_much_work_is_refused(
    schema: dict[str, JSON], value: JSON
) -> None:
    """Our choice: no request takes more than a tenth of a second, nor much memory."""
    with measured() as work:
        assert refusal(dict(schema), value) == TOO_MUCH_WORK
    assert work.seconds < SECONDS
    assert work.megabytes < MEGABYTES


DECIDED: dict[str, tuple[dict[str, JSON], JSON, str]] = {
    "a pattern that backtracks": (
        {"type": "string", "pattern": r"^(\d+,?)+$"},
        "1" * 40 + "!",
        f"v: '{'1' * 40}!' does not match '^(\\\\d+,?)+$'",
    ),
    "a lookahead": (
        {"type": "string", "pattern": "^(?!x)[a-z]+$"},
        "xyz",
        "v: 'xyz' does not match '^(?!x)[a-z]+$'",
    ),
    "a text that a lookahead finds": (
        {"type": "string", "pattern": "^(?!x)[a-z]+$"},
        "abc",
        "",
    ),
    "some thousand objects that are unlike": (
        {"type": "array", "uniqueItems": True},
        [{"a": number} for number in range(8_000)],
        "",
    ),
    "wrong leaves for alternatives": (
        {"$ref": "#/$defs/tree", "tree": OPEN_TREE},
        ["x"] * 100_000,
        "v[0]: Input should be a valid integer",
    ),
    "many rows": (
        {"type": "array", "items": ROW},
        [{"a": 1, "b": "x"}] * 50_000,
        "",
    ),
    "one wrong row among them": (
        {"type": "array", "items": ROW},
        [{"a": 1, "b": "x"}] * 50_000 + [{"a": "x"}],
        "v[50000].a: Input should be a valid integer",
    ),
    "rows for one of two alternatives": (
        {
            "type": "array",
            "items": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"c": {}},
                        "additionalProperties": False,
                    },
                    ROW,
                ]
            },
        },
        [{"a": 1}] * 5_000,
        "",
    ),
    "numbers": ({"type": "array", "items": {"type": "integer"}}, [1] * 1_000_000, ""),
    "a long text": ({"type": "string", "minLength": 2}, "x" * 4_000_000, ""),
}


@pytest.mark.parametrize(("schema", "value", "reason"), DECIDED.values(), ids=DECIDED)
def test_value_is_checked_in_time(
    schema: dict[str, JSON], value: JSON, reason: str
) -> None:
    """Our choice: what can be checked in a tenth of a second is."""
    with measured() as work:
        assert refusal(dict(schema), value) == reason
    assert work.seconds < SECONDS
    assert work.megabytes < MEGABYTES


@pytest.mark.parametrize(
    ("schema", "value", "honest"),
    [
        (
            {"type": "string", "pattern": "^(?=(a|aa)+$)"},
            "a" * 80 + "!",
            "a" * 20,
        ),
        (
            {"$ref": "#/$defs/branch"},
            nested(60),
            {"x": 1, "next": {"y": 1, "next": {"x": 1}}},
        ),
    ],
)
def test_many_requests_together_take_little_work(
    schema: dict[str, JSON], value: JSON, honest: JSON
) -> None:
    """Our choice: each might take its time, and so might all of one batch."""
    with measured() as work:
        for _ in range(80):
            assert refusal(dict(schema), value) == TOO_MUCH_WORK
    assert work.seconds < 2.5
    # Others are checked all the same.
    assert refusal(dict(schema), honest) == ""


def test_schema_that_is_no_json_is_refused_by_name() -> None:
    """Chosen: of a hundred tools the error names the one that it is."""
    deep: JSON = {"type": "string"}
    for _ in range(1000):
        deep = {"type": "array", "items": deep}
    for member, said in (
        ({"default": {1}}, "'ship' cannot be written as JSON: Object of type set"),
        (deep, "'ship' is nested too deeply"),
    ):
        schema: Any = {"type": "object", "properties": {"a": member}}
        with pytest.raises(ValueError, match=said):
            VerbatimSchema.of(schema, "input_schema of 'ship'")


def test_pattern_that_nobody_can_read_is_refused() -> None:
    """Our choice: what is not checked must not look as if it were."""
    with pytest.raises(ValueError, match="is no valid JSON Schema: at"):
        VerbatimSchema.of({"type": "object", "pattern": "("}, "input_schema of 'a'")


def test_repeated_group_beside_unevaluated_properties_is_refused() -> None:
    """Our choice: the library leaves such names to an engine that takes hours."""
    schema = {
        "type": "object",
        "unevaluatedProperties": False,
        "patternProperties": {"^(a+)+$": {}},
    }
    with pytest.raises(ValueError) as caught:
        VerbatimSchema.of(schema, "input_schema of 'a'")
    assert str(caught.value) == (
        "input_schema of 'a' has unevaluatedProperties, and a repeated group in the "
        "pattern '^(a+)+$' of patternProperties, which may take hours to find; write "
        "additionalProperties, or the pattern without the group"
    )


def test_unevaluated_properties_are_found_by_their_patterns() -> None:
    """Spec: JSON Schema 2020-12 core, section 11.3."""
    schema = {
        "type": "object",
        "unevaluatedProperties": False,
        "patternProperties": {"^x-": {}},
    }
    checked = VerbatimSchema.of(schema, "input_schema of 'a'")
    assert checked.problems({"x-a": 1}) == ""
    assert checked.problems({"y": 1}) == (
        "Unevaluated properties are not allowed ('y' was unexpected)"
    )
    with pytest.raises(TooMuchWork):
        checked.problems({"y" * 1_000_000: 1})


def test_result_that_takes_too_much_work_is_passed_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: the tool has run, and nothing is known to be wrong."""
    schema = {"type": "array", "contains": {"type": "string"}}
    value = [1] * 100_000
    result = ToolOutput.of(list, output_schema=schema).result(value)
    assert result["structuredContent"] == value
    assert caplog.messages == [
        "list that a tool returned is not checked, as its output_schema takes more "
        "than 20000 steps to check; make that simpler"
    ]
