"""Calling tools, and what becomes of what they promise."""

from __future__ import annotations

import pytest
from mcp_types import CallToolResult
from mcp_types.jsonrpc import HEADER_MISMATCH

from mcp_django.exceptions import ErrorReceived, RemoteProtocolError, ToolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.scripted import LEGACY, MODERN, Refusal, Script, connected, sent_of

ADD: JSONObject = {
    "name": "add",
    "inputSchema": {"type": "object"},
    "outputSchema": {
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
    },
}
TOOLS: JSONObject = {"tools": [ADD]}


def text(*texts: str, **more: JSON) -> JSONObject:
    """Make the result of a tool."""
    return {"content": [{"type": "text", "text": each} for each in texts], **more}


@pytest.mark.parametrize("script", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_tool_is_called(script: Script) -> None:
    """Spec: 2025-11-25 server/tools, "Calling Tools"."""
    result = text("3", structuredContent={"sum": 3})
    async with connected(script, more={"tools/call": result}) as (client, server):
        called = await client.call_tool("add", {"a": 1, "b": 2})
        assert called == CallToolResult.model_validate(result)
        await client.call_tool("add")
        assert sent_of(server, "tools/call") == [
            {"name": "add", "arguments": {"a": 1, "b": 2}},
            {"name": "add", "arguments": {}},
        ]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (text("no such order"), "no such order"),
        (text("no such order", "try another"), "no such order\ntry another"),
        (text(), "the tool failed and did not say why"),
        (
            {"content": [{"type": "image", "data": "", "mimeType": "image/png"}]},
            "the tool failed and did not say why",
        ),
    ],
)
async def test_failed_tool_raises(result: JSONObject, message: str) -> None:
    """Our choice: no program takes it for a result; the text is the model's."""
    result = {**result, "isError": True}
    async with connected(more={"tools/call": result}) as (client, _):
        with pytest.raises(ToolError) as caught:
            await client.call_tool("add")
        assert str(caught.value) == message
        assert caught.value.result == CallToolResult.model_validate(result)
        unchecked = await client.call_tool("add", check=False)
        assert unchecked == CallToolResult.model_validate(result)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            {"content": 7},
            "the server 'shop' answered 'tools/call' with invalid result: content: "
            "Input should be a valid list",
        ),
        (
            {},
            "the server 'shop' answered 'tools/call' with invalid result: content: "
            "Field required",
        ),
    ],
)
async def test_malformed_result_is_the_fault_of_the_server(
    result: JSONObject, message: str
) -> None:
    """Our choice: the text says what is wrong."""
    async with connected(more={"tools/call": result}) as (client, _):
        with pytest.raises(RemoteProtocolError) as caught:
            await client.call_tool("add")
    assert str(caught.value) == message


async def test_promised_output_is_checked_once_the_promise_is_known() -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema": clients should validate."""
    broken = text("3", structuredContent={"sum": "3"})
    script: Script = {"tools/list": TOOLS, "tools/call": broken}
    async with connected(more=script) as (client, server):
        await client.call_tool("add")
        await client.list_tools()
        with pytest.raises(RemoteProtocolError) as caught:
            await client.call_tool("add")
        assert str(caught.value) == (
            "the result of tool 'add' does not fit its output schema: $.sum: '3' is "
            "not of type 'integer'"
        )
        await client.call_tool("another")
        # What it promises now is not known.
        await server.notify("notifications/tools/list_changed")
        await client.call_tool("add")


async def test_failed_tool_is_not_held_to_its_promise() -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling"."""
    script: Script = {"tools/list": TOOLS, "tools/call": text("no", isError=True)}
    async with connected(more=script) as (client, _):
        await client.list_tools()
        with pytest.raises(ToolError):
            await client.call_tool("add")
        assert (await client.call_tool("add", check=False)).is_error


async def test_header_mismatch_makes_the_tools_be_asked_for_again() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior"."""
    script: Script = {
        "tools/list": {**TOOLS, "ttlMs": 60_000},
        "tools/call": [Refusal(HEADER_MISMATCH), text("3")],
    }
    async with connected(more=script) as (client, server):
        await client.list_tools()
        server.received.clear()
        with pytest.raises(RemoteProtocolError, match="has no structuredContent"):
            await client.call_tool("add")
        assert server.methods == ["tools/call", "tools/list", "tools/call"]


async def test_second_header_mismatch_is_final() -> None:
    """Our choice: knowing the tools does not help, then."""
    script: Script = {"tools/list": TOOLS, "tools/call": Refusal(HEADER_MISMATCH)}
    async with connected(more=script) as (client, server):
        with pytest.raises(ErrorReceived) as caught:
            await client.call_tool("add")
        assert caught.value.code == HEADER_MISMATCH
        assert server.methods[1:] == ["tools/call", "tools/list", "tools/call"]
