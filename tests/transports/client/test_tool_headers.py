"""The HTTP headers of modern requests, those of tools' parameters included."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.transports.client.tool_headers import (
    MAX_PARAMETERS,
    ToolHeaders,
    standard_headers,
)

META = {"_meta": {PROTOCOL_VERSION_META_KEY: "2026-07-28"}}
REGION = {"region": {"type": "string", "x-mcp-header": "Region"}}


def list_tools(cursor: str | None = None) -> JSONRPCRequest:
    params: JSONObject = {} if cursor is None else {"cursor": cursor}
    return jsonrpc.request(1, "tools/list", {**META, **params})


def call(name: JSON, arguments: JSON = None) -> JSONRPCRequest:
    params = {**META, "name": name, "arguments": arguments}
    return jsonrpc.request(2, "tools/call", params)


def tool(name: str, properties: JSON = REGION) -> JSONObject:
    schema = {"type": "object", "properties": properties}
    return {"name": name, "inputSchema": schema}


def knowing(*tools: JSONObject) -> ToolHeaders:
    """Make what has seen a listing of tools."""
    headers = ToolHeaders()
    assert headers.take_result(list_tools(), {"tools": [*tools]})["tools"] == [*tools]
    return headers


# Whatever is called -----------------------------------------------------------------

STANDARD: dict[str, tuple[str, JSON, dict[str, str]]] = {
    "a method": ("tools/list", META, {"mcp-method": "tools/list"}),
    "a tool": (
        "tools/call",
        {**META, "name": "add"},
        {"mcp-method": "tools/call", "mcp-name": "add"},
    ),
    "a prompt": (
        "prompts/get",
        {**META, "name": "greet"},
        {"mcp-method": "prompts/get", "mcp-name": "greet"},
    ),
    "a resource": (
        "resources/read",
        {**META, "uri": "shop://terms"},
        {"mcp-method": "resources/read", "mcp-name": "shop://terms"},
    ),
    "a name that is none": (
        "tools/call",
        {**META, "name": 7},
        {"mcp-method": "tools/call"},
    ),
    "a name of something else": (
        "completion/complete",
        {**META, "name": "add"},
        {"mcp-method": "completion/complete"},
    ),
    "a name that is no ASCII": (
        "tools/call",
        {**META, "name": "größe"},
        {"mcp-method": "tools/call", "mcp-name": "=?base64?Z3LDtsOfZQ==?="},
    ),
    "a name with a line end": (
        "tools/call",
        {**META, "name": "a\r\nX-Evil: b"},
        {"mcp-method": "tools/call", "mcp-name": "=?base64?YQ0KWC1FdmlsOiBi?="},
    ),
    "a method with a line end": ("a\nb", META, {"mcp-method": "=?base64?YQpi?="}),
}


@pytest.mark.parametrize(
    ("method", "params", "headers"), STANDARD.values(), ids=STANDARD
)
def test_headers_mirror_the_request(
    method: str, params: JSON, headers: dict[str, str]
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request Headers"
    and "Value Encoding"."""
    assert standard_headers(jsonrpc.request(1, method, params)) == {
        "mcp-protocol-version": "2026-07-28",
        **headers,
    }


@pytest.mark.parametrize(
    "params", [None, {}, {"_meta": 1}, {"_meta": {PROTOCOL_VERSION_META_KEY: 1}}]
)
def test_request_that_names_no_version_has_no_header_for_it(params: JSON) -> None:
    """Our choice: the server says what is wrong with it."""
    request = jsonrpc.request(1, "server/discover", params)
    assert standard_headers(request) == {"mcp-method": "server/discover"}


def test_notification_is_mirrored_too() -> None:
    """Our choice: the specification demands nothing, and forbids nothing."""
    notification = jsonrpc.notification("notifications/any", META)
    assert standard_headers(notification) == {
        "mcp-method": "notifications/any",
        "mcp-protocol-version": "2026-07-28",
    }


# Parameters of tools ----------------------------------------------------------------

SCHEMA: JSON = {
    **REGION,
    "count": {"type": "integer", "x-mcp-header": "Count"},
    "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"},
    "where": {
        "type": "object",
        "properties": {"city": {"type": "string", "x-mcp-header": "City"}},
    },
    "query": {"type": "string"},
}

CALLS: dict[str, tuple[JSON, dict[str, str]]] = {
    "values": (
        {"region": "us-west1", "count": -7, "dry": False, "query": "q"},
        {
            "mcp-param-region": "us-west1",
            "mcp-param-count": "-7",
            "mcp-param-dry-run": "false",
        },
    ),
    "a value within": ({"where": {"city": "Bern"}}, {"mcp-param-city": "Bern"}),
    "nulls": ({"region": None, "where": None}, {}),
    "nothing": ({}, {}),
    "no arguments": (None, {}),
    "arguments of another form": ([1, 2], {}),
    "values of other types": ({"region": ["a"], "where": "here", "dry": {}}, {}),
    "a whole number": ({"count": 42.0}, {"mcp-param-count": "42"}),
    "a fraction": ({"count": 0.5}, {}),
    "what is no ASCII": (
        {"region": "Hello, 世界"},
        {"mcp-param-region": "=?base64?SGVsbG8sIOS4lueVjA==?="},
    ),
    "blanks around": (
        {"region": " padded "},
        {"mcp-param-region": "=?base64?IHBhZGRlZCA=?="},
    ),
    "a line end": (
        {"region": "line1\nline2"},
        {"mcp-param-region": "=?base64?bGluZTEKbGluZTI=?="},
    ),
    "what looks encoded": (
        {"region": "=?base64?literal?="},
        {"mcp-param-region": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="},
    ),
    "an empty text": ({"region": ""}, {"mcp-param-region": ""}),
}


@pytest.mark.parametrize(("arguments", "headers"), CALLS.values(), ids=CALLS)
def test_headers_mirror_the_arguments(arguments: JSON, headers: dict[str, str]) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior", "Value
    Encoding"."""
    assert knowing(tool("sql", SCHEMA)).headers_of(call("sql", arguments)) == headers


@pytest.mark.parametrize("name", ["other", None, 7, ["sql"]])
def test_other_tools_have_no_headers(name: JSON) -> None:
    """Our choice: what is not known is not mirrored; the server says if it must be."""
    headers = knowing(tool("sql"))
    assert headers.headers_of(call(name, {"region": "a"})) == {}


def test_other_requests_have_no_headers() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior"."""
    params = {**META, "name": "sql", "arguments": {"region": "a"}}
    headers = knowing(tool("sql"))
    assert headers.headers_of(jsonrpc.request(1, "prompts/get", params)) == {}


# Tools that are left out --------------------------------------------------------------


def test_tool_with_invalid_header_is_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    good, bad = tool("good"), tool("bad", {"a": {"x-mcp-header": "A b"}})
    result = {"tools": [bad, good], "resultType": "complete"}
    headers = ToolHeaders()

    with caplog.at_level(logging.WARNING, logger="mcp_django.transports"):
        taken = headers.take_result(list_tools(), result)

    assert taken == {"tools": [good], "resultType": "complete"}
    assert result["tools"] == [bad, good]
    [record] = caplog.records
    assert record.getMessage().startswith(
        "tool 'bad' is left out, by fault of the server: parameter 'a': x-mcp-header "
        "must be letters, digits"
    )
    assert headers.headers_of(call("good", {"region": "a"})) == {
        "mcp-param-region": "a"
    }


def test_warning_has_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: a server cannot fill the log."""
    bad = tool("x" * 10_000, {"a": {"x-mcp-header": " " * 10_000}})
    ToolHeaders().take_result(list_tools(), {"tools": [bad]})
    [record] = caplog.records
    assert len(record.getMessage()) < 1000


def test_tool_that_has_become_invalid_is_forgotten() -> None:
    """Our choice: what is not offered has no headers."""
    headers = knowing(tool("sql"))
    bad = tool("sql", {"region": {"type": "number", "x-mcp-header": "Region"}})
    headers.take_result(list_tools(), {"tools": [bad]})
    assert headers.headers_of(call("sql", {"region": "a"})) == {}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"tools": None},
        {"tools": {}},
        {"tools": [None, 7, {}, {"name": 7}, {"name": "a"}]},
        {"tools": [{"name": "a", "inputSchema": []}]},
    ],
)
def test_what_is_no_list_of_tools_is_left_as_it_is(result: Any) -> None:
    """Our choice: the client that reads it says what is wrong."""
    assert ToolHeaders().take_result(list_tools(), result) is result


# What is known -----------------------------------------------------------------------


def test_tools_of_all_pages_are_known() -> None:
    """Our choice: a listing may have pages."""
    headers = ToolHeaders()
    headers.take_result(list_tools(), {"tools": [tool("a")], "nextCursor": "2"})
    headers.take_result(list_tools("2"), {"tools": [tool("b")]})
    for name in ("a", "b"):
        assert headers.headers_of(call(name, {"region": "x"})) != {}


def test_tool_that_is_listed_no_more_is_forgotten() -> None:
    """Our choice: what is known is what the last whole listing had."""
    headers = knowing(tool("a"), tool("b"))
    headers.take_result(list_tools(), {"tools": [tool("c")], "nextCursor": "2"})
    assert headers.headers_of(call("a", {"region": "x"})) != {}, "there is more to come"
    headers.take_result(list_tools("2"), {"tools": [tool("b")]})
    assert headers.headers_of(call("a", {"region": "x"})) == {}
    for name in ("b", "c"):
        assert headers.headers_of(call(name, {"region": "x"})) != {}


def test_header_that_is_no_longer_wanted_is_left_out() -> None:
    """Our choice: a tool is as it was listed last."""
    headers = knowing(tool("a"))
    headers.take_result(list_tools(), {"tools": [tool("a", {})]})
    assert headers.headers_of(call("a", {"region": "x"})) == {}


def test_listing_without_end_does_not_fill_the_memory() -> None:
    """Our choice: the tools that were listed first are forgotten first."""
    headers = ToolHeaders()
    properties = {
        f"p{i}": {"type": "string", "x-mcp-header": f"P{i}"}
        for i in range(MAX_PARAMETERS // 10)
    }
    for page in range(12):
        headers.take_result(
            list_tools(None if page == 0 else str(page)),
            {"tools": [tool(f"t{page}", properties)], "nextCursor": "more"},
        )
    known = [
        page for page in range(12) if headers.headers_of(call(f"t{page}", {"p0": "x"}))
    ]
    assert known == [*range(2, 12)]
