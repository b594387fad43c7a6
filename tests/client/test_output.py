"""Whether structured results are what their tool promised."""

from __future__ import annotations

import time
from typing import Any

import pytest
from mcp_types import CallToolResult, Tool

from mcp_django.client.output import check_output
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject

ADDED: JSONObject = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}},
    "required": ["sum"],
}


def check(schema: JSON, **result: Any) -> None:
    tool = Tool.model_validate(
        {"name": "add", "inputSchema": {"type": "object"}, "outputSchema": schema}
    )
    check_output(tool, CallToolResult.model_validate({"content": [], **result}))


FITTING: dict[str, tuple[JSON, JSON]] = {
    "an object": (ADDED, {"sum": 3}),
    "more than was promised": (ADDED, {"sum": 3, "more": None}),
    "an older dialect": (
        {"$schema": "http://json-schema.org/draft-04/schema#", **ADDED},
        {"sum": 3},
    ),
    "a dialect that nobody knows": ({"$schema": "acme:schema", **ADDED}, {"sum": 3}),
    "a reference within the schema": (
        {"$defs": {"n": ADDED}, "$ref": "#/$defs/n"},
        {"sum": 3},
    ),
    "a reference to a schema of schemas": (
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"type": "object"},
    ),
    "what is no object": ({"type": "array", "items": {"type": "integer"}}, [1, 2]),
    "null": ({"type": "null"}, None),
}


@pytest.mark.parametrize(
    ("schema", "structured"),
    FITTING.values(),
    ids=FITTING,
)
def test_result_that_fits_is_taken(schema: JSON, structured: JSON) -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema"."""
    check(schema, structuredContent=structured)


def test_nothing_is_checked_where_nothing_was_promised() -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema": it is optional."""
    check(None)
    check(None, structuredContent={"a": 1})


def test_failed_tool_promises_nothing() -> None:
    """Our choice: there is no result that could fit."""
    check(ADDED, isError=True)


ELSEWHERE = (
    "the output schema of tool 'add' refers to what is not in it, and other documents "
    "are not fetched"
)
NO_FIT: dict[str, tuple[JSON, dict[str, Any], str]] = {
    "nothing structured": (
        ADDED,
        {},
        "tool 'add' has an output schema, but its result has no structuredContent",
    ),
    "another type": (
        ADDED,
        {"structuredContent": {"sum": "3"}},
        "the result of tool 'add' does not fit its output schema: $.sum: '3' is not of "
        "type 'integer'",
    ),
    "a member that is missing": (
        ADDED,
        {"structuredContent": {}},
        "the result of tool 'add' does not fit its output schema: $: 'sum' is a "
        "required property",
    ),
    "no schema": (
        {"type": "no type"},
        {"structuredContent": {}},
        "the output schema of tool 'add' is no JSON Schema: 'no type' is not valid "
        "under any of the given schemas",
    ),
    "another document": (
        {"$ref": "https://example.com/schema.json"},
        {"structuredContent": {}},
        f"{ELSEWHERE}: Unresolvable: https://example.com/schema.json",
    ),
    "a file": (
        {"$ref": "file:///etc/passwd"},
        {"structuredContent": {}},
        f"{ELSEWHERE}: Unresolvable: file:///etc/passwd",
    ),
    "what is not there": (
        {"$ref": "#/$defs/nothing"},
        {"structuredContent": {}},
        f"{ELSEWHERE}: PointerToNowhere: '/$defs/nothing' does not exist within "
        "{'$ref': '#/$defs/nothing'}",
    ),
    "an anchor that is not there": (
        {"$ref": "#nothing"},
        {"structuredContent": {}},
        f"{ELSEWHERE}: NoSuchAnchor: 'nothing' does not exist within "
        "{'$ref': '#nothing'}",
    ),
}


@pytest.mark.parametrize(("schema", "result", "text"), NO_FIT.values(), ids=NO_FIT)
def test_result_that_does_not_fit_is_refused(
    schema: JSON, result: dict[str, Any], text: str
) -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema"; 2026-07-28 basic, "`$ref`
    Resolution": nothing is fetched."""
    with pytest.raises(RemoteProtocolError) as caught:
        check(schema, **result)
    assert str(caught.value) == text


UNUSABLE: dict[str, tuple[JSON, JSON]] = {
    "a reference to itself": ({"$ref": "#"}, {}),
    "references that turn in circles": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
        | {"$ref": "#/$defs/a"},
        {},
    ),
    "a dialect that is no text": ({"$schema": {}}, {}),
    "numbers too large to divide": (
        {"properties": {"a": {"multipleOf": 0.5}}},
        {"a": 10**400},
    ),
}


@pytest.mark.parametrize(("schema", "structured"), UNUSABLE.values(), ids=UNUSABLE)
def test_schema_that_cannot_be_used_is_the_fault_of_the_server(
    schema: JSON, structured: JSON
) -> None:
    """Our choice: whatever a schema does to the library that reads it."""
    with pytest.raises(RemoteProtocolError) as caught:
        check(schema, structuredContent=structured)
    assert str(caught.value).startswith(
        "the output schema of tool 'add' cannot be used: "
    )


def test_long_texts_are_cut_short() -> None:
    """Our choice: what a server sends does not fill the logs of its client."""
    with pytest.raises(RemoteProtocolError) as caught:
        check({"const": "y" * 10_000}, structuredContent="x" * 10_000)
    assert len(str(caught.value)) < 700


CHAIN: dict[str, JSON] = {
    f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)
} | {"d40": {}}
HOSTILE: dict[str, tuple[JSON, JSON, str]] = {
    "a pattern": (
        {"pattern": "^(a+)+$"},
        "a" * 40 + "!",
        "the result of tool 'add' does not fit its output schema: $: ",
    ),
    "items to compare": (
        {"uniqueItems": True},
        [{"a": n} for n in range(3000)] + [{"a": 0}],
        "the result of tool 'add' does not fit its output schema: $: ",
    ),
}


@pytest.mark.parametrize(
    ("schema", "structured", "text"), HOSTILE.values(), ids=HOSTILE
)
def test_schema_cannot_keep_the_client_busy(
    schema: JSON, structured: JSON, text: str
) -> None:
    """Our choice: what is checked in the event loop must not take long."""
    begin = time.thread_time()
    with pytest.raises(RemoteProtocolError) as caught:
        check(schema, structuredContent=structured)
    assert time.thread_time() - begin < 4  # a tenth, unless traced
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (
            {"$defs": CHAIN, "$ref": "#/$defs/d0"},
            "takes more than 100000 steps to check",
        ),
        ({"title": "x" * 300_000}, "is longer than 200000 bytes"),
    ],
    ids=["a chain of references", "a long schema"],
)
def test_result_that_takes_long_to_check_is_passed_on_with_a_warning(
    schema: JSON, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the tool has run, and nothing is known to be wrong."""
    begin = time.thread_time()
    check(schema, structuredContent={})
    assert time.thread_time() - begin < 4  # a tenth, unless traced
    assert caplog.messages == [
        f"a result of tool 'add' is not checked, as its schema {why}"
    ]


ROWS: JSONObject = {
    "$defs": {
        "Row": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string", "title": "Name"},
                "price": {"type": "number", "minimum": 0},
                "tag": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["id", "name", "price"],
        }
    },
    "type": "object",
    "properties": {"rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}}},
    "required": ["rows"],
}


def rows(count: int) -> list[JSON]:
    """Make honest rows."""
    return [
        {"id": n, "name": f"name {n}", "price": n / 3, "tag": None if n % 2 else "x"}
        for n in range(count)
    ]


def test_large_result_is_checked_quickly(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: as other clients take it; 50,000 rows are checked in 0.1 s."""
    result = {"structuredContent": {"rows": rows(50_000)}}
    begin = time.thread_time()
    check(ROWS, **result)
    assert time.thread_time() - begin < 2  # unless traced, a twentieth
    assert caplog.messages == []


def test_fault_in_a_large_result_is_found() -> None:
    """Our choice: wherever it is."""
    wrong = [*rows(50_000), {"id": "x", "name": "y", "price": 1}]
    with pytest.raises(RemoteProtocolError) as caught:
        check(ROWS, structuredContent={"rows": wrong})
    assert str(caught.value) == (
        "the result of tool 'add' does not fit its output schema: $.rows[50000].id: "
        "Input should be a valid integer"
    )
