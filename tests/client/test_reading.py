"""What servers answered, read as far as it can be."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from mcp_types import (
    CallToolResult,
    CompleteResult,
    Completion,
    GetPromptResult,
    InitializeResult,
    PromptReference,
    ReadResourceResult,
    TextContent,
)

from mcp_django.client.client import Client
from mcp_django.client.reading import clean_result, read, without_nulls
from mcp_django.exceptions import LocalProtocolError, RemoteProtocolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.scripted import (
    DISCOVERED,
    INITIALIZED,
    LEGACY,
    MODERN,
    Script,
    ScriptedServers,
    connected,
)

TOOL: JSONObject = {"name": "add", "inputSchema": {"type": "object"}}
TEXT: JSONObject = {"type": "text", "text": "3"}
LISTS: dict[str, tuple[str, str, JSONObject, list[JSON], list[str]]] = {
    "list_tools": (
        "tools/list",
        "tools",
        TOOL,
        [
            {"name": "broken", "inputSchema": 7},
            {"name": "b", "inputSchema": {"type": "object"}, "title": 5},
            {"inputSchema": {"type": "object"}},
            None,
        ],
        [
            "'broken' is left out, by fault of the server: invalid form: "
            "inputSchema: Input should be a valid "
            "dictionary",
            "'b' is left out, by fault of the server: invalid form: title: Input "
            "should be a valid string",
            "number 4 is left out, by fault of the server: invalid form: name: "
            "Field required",
            "number 5 is left out, by fault of the server: invalid form: Input "
            "should be a valid dictionary or "
            "instance of Tool",
        ],
    ),
    "list_prompts": (
        "prompts/list",
        "prompts",
        {"name": "greet"},
        [{"name": "broken", "arguments": "none"}],
        [
            "'broken' is left out, by fault of the server: invalid form: "
            "arguments: Input should be a valid list"
        ],
    ),
    "list_resources": (
        "resources/list",
        "resources",
        {"name": "a", "uri": "a://a"},
        [{"uri": "a://b"}],
        [
            "'a://b' is left out, by fault of the server: invalid form: name: "
            "Field required"
        ],
    ),
    "list_resource_templates": (
        "resources/templates/list",
        "resourceTemplates",
        {"name": "a", "uriTemplate": "a://{id}"},
        [{"uriTemplate": "b://{id}"}],
        [
            "'b://{id}' is left out, by fault of the server: invalid form: name: "
            "Field required"
        ],
    ),
}
in_all_lists = pytest.mark.parametrize(
    ("use", "method", "member", "entry", "broken", "said"),
    [(use, *rest) for use, rest in LISTS.items()],
    ids=LISTS,
)


@in_all_lists
async def test_malformed_entry_is_left_out_and_named(
    use: str,
    method: str,
    member: str,
    entry: JSONObject,
    broken: list[JSON],
    said: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: the others are as good as ever."""
    async with connected(more={method: {member: [entry, *broken]}}) as (client, _):
        listed = await getattr(client, use)()
    assert [each.name for each in listed] == [entry["name"]]
    assert caplog.messages == [f"the answer to {method!r}: {text}" for text in said]


@in_all_lists
@pytest.mark.parametrize("script", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_list_that_the_server_does_not_declare_is_empty(
    use: str,
    method: str,
    member: str,
    entry: JSONObject,
    broken: list[JSON],
    said: list[str],
    script: Script,
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Operation": only what was negotiated."""
    few: Script = {
        **script,
        "server/discover": {**DISCOVERED, "capabilities": {"logging": {}}},
        "initialize": {**INITIALIZED, "capabilities": {"logging": {}}},
    }
    if script is LEGACY:
        few = {**few, "server/discover": LEGACY["server/discover"]}
    async with connected(few) as (client, server):
        assert await getattr(client, use)() == []
        assert await getattr(client, use)(fresh=True) == []
        assert method not in server.methods
    with pytest.raises(LocalProtocolError, match="not connected"):
        await getattr(Client(server.transport), use)()


async def test_list_that_the_next_server_declares_is_asked_for() -> None:
    """Our choice: a connection that was lost may lead to a newer server."""
    few: Script = {"server/discover": {**DISCOVERED, "capabilities": {}}}
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(
            tasks, few, {**MODERN, "tools/list": {"tools": [TOOL]}}
        )
        async with Client(servers) as client:
            assert await client.list_tools() == []
            await servers.made[0].close()
            await anyio.wait_all_tasks_blocked()
            assert [tool.name for tool in await client.list_tools()] == ["add"]
        tasks.cancel_scope.cancel()


async def test_many_malformed_entries_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: a server does not fill the logs of its client."""
    script: Script = {"tools/list": {"tools": [{"name": "x" * 1000}] * 500}}
    async with connected(more=script) as (client, _):
        assert await client.list_tools() == []
    assert len(caplog.messages) == 2, "all have one name"
    assert max(map(len, caplog.messages)) < 300
    assert caplog.messages[-1] == (
        "the answer to 'tools/list': 490 more are left out, by fault of the server"
    )


async def test_malformed_block_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: the tool has run, and the other blocks say what came of it."""
    video: JSONObject = {"type": "video", "data": "AAAA"}
    result: JSONObject = {
        "content": [TEXT, video, {"type": "text", "text": 7}],
        "structuredContent": {"sum": 3},
    }
    async with connected(more={"tools/call": result}) as (client, _):
        called = await client.call_tool("add")
    assert called.content == [TextContent(text="3")]
    assert called.structured_content == {"sum": 3}
    first, second = caplog.messages
    assert first.startswith(
        "the result of tool 'add': 'video' is left out, by fault of the server: "
        "invalid "
    )
    assert second.startswith(
        "the result of tool 'add': 'text' is left out, by fault of the server: invalid "
    )


@pytest.mark.parametrize("script", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_structured_content_may_stand_alone(script: Script) -> None:
    """Our choice: the tool has run, and this is what came of it."""
    result: JSONObject = {"structuredContent": {"sum": 3}}
    async with connected(script, more={"tools/call": result}) as (client, _):
        called = await client.call_tool("add")
    assert called.content == []
    assert called.structured_content == {"sum": 3}
    assert clean_result("tools/call", result) == {**result, "content": []}


MESSAGE: JSONObject = {"role": "user", "content": TEXT}
WHOLES: dict[str, tuple[str, JSONObject, str]] = {
    "contents": (
        "resources/read",
        {"contents": [{"uri": "a://a", "text": "t"}, {"uri": "a://b"}, None]},
        "contents number 2 ('a://b'): invalid form: TextResourceContents.text: Field "
        "required; BlobResourceContents.blob: Field required; contents number 3: "
        "invalid form: TextResourceContents: Input should be a valid dictionary or "
        "instance of TextResourceContents; BlobResourceContents: Input should be a "
        "valid dictionary or instance of BlobResourceContents",
    ),
    "messages": (
        "prompts/get",
        {"messages": [MESSAGE, {**MESSAGE, "role": "dog"}]},
        "messages number 2: invalid form: role: Input should be 'user' or 'assistant'",
    ),
    "many": (
        "prompts/get",
        {"messages": [7] * 500},
        "; ".join(
            f"messages number {n}: invalid form: Input should be a valid dictionary or "
            "instance of PromptMessage"
            for n in (1, 2, 3)
        ),
    ),
    "no list": (
        "resources/read",
        {"contents": {}},
        "invalid result: contents: Input should be a valid list",
    ),
    "something beside it": (
        "prompts/get",
        {"messages": [MESSAGE], "description": 7},
        "invalid result: description: Input should be a valid string",
    ),
}


@pytest.mark.parametrize(("method", "result", "said"), WHOLES.values(), ids=WHOLES)
async def test_malformed_part_of_a_whole_is_named_with_its_server(
    method: str, result: JSONObject, said: str
) -> None:
    """Our choice: what is left would look complete, and mean something else."""
    async with connected(more={method: result}) as (client, _):
        with pytest.raises(RemoteProtocolError) as caught:
            await (
                client.get_prompt("greet")
                if method == "prompts/get"
                else client.read_resource("a://a")
            )
    assert str(caught.value) == (f"the server 'shop' answered {method!r} with {said}")


async def test_malformed_value_of_a_completion_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: each of them is one of many to choose from."""
    completion: JSONObject = {"values": ["a", 5, None, "b"], "total": 9}
    result: JSONObject = {"completion": completion}
    async with connected(more={"completion/complete": result}) as (client, _):
        completed = await client.complete(PromptReference(name="greet"), "who", "")
    assert completed == Completion(values=["a", "b"], total=9)
    where = "the answer to 'completion/complete'"
    fault = (
        "is left out, by fault of the server: invalid form: Input should be a valid "
        "string"
    )
    assert caplog.messages == [f"{where}: number {n} {fault}" for n in (2, 3)]
    assert clean_result("completion/complete", result) == {
        "completion": {"values": ["a", "b"], "total": 9}
    }


# Null -------------------------------------------------------------------------------

NULLS: dict[str, tuple[type[Any], JSONObject, JSONObject]] = {
    "isError": (
        CallToolResult,
        {"content": [], "isError": None, "structuredContent": None, "_meta": None},
        {"content": [], "isError": False, "structuredContent": None},
    ),
    "resultType": (
        CallToolResult,
        {"content": [], "resultType": None},
        {"content": []},
    ),
    "a list": (CallToolResult, {"content": None}, {"content": []}),
    "within a block": (
        CallToolResult,
        {"content": [{**TEXT, "annotations": None, "_meta": None}], "isError": None},
        {"content": [TEXT]},
    ),
    "ttlMs": (
        ReadResourceResult,
        {"contents": None, "ttlMs": None, "cacheScope": None},
        {"contents": []},
    ),
    "messages": (GetPromptResult, {"messages": None}, {"messages": []}),
    "completions": (
        CompleteResult,
        {"completion": {"values": None, "total": None, "hasMore": None}},
        {"completion": {"values": []}},
    ),
    "capabilities": (
        InitializeResult,
        {
            **INITIALIZED,
            "capabilities": {"tools": {"listChanged": None}, "prompts": None},
            "instructions": None,
        },
        {
            **INITIALIZED,
            "capabilities": {"tools": {}},
            "instructions": None,
        },
    ),
}


@pytest.mark.parametrize(("kind", "value", "same"), NULLS.values(), ids=NULLS)
def test_null_is_taken_as_absent(
    kind: type[Any], value: JSONObject, same: JSONObject
) -> None:
    """Our choice: many languages write so what is not there."""
    assert read(kind, "any", value) == kind.model_validate(same)


def test_null_is_kept_where_it_may_mean_something() -> None:
    """Our choice: in what is any JSON."""
    value: JSON = {
        "content": None,
        "structuredContent": None,
        "title": None,
        "inputSchema": {"default": None},
        "tools": [{"outputSchema": {"const": None}, "icons": None}],
        "_meta": {"a": None},
    }
    assert without_nulls(value) == {
        "content": [],
        "structuredContent": None,
        "inputSchema": {"default": None},
        "tools": [{"outputSchema": {"const": None}}],
        "_meta": {"a": None},
    }


def test_what_is_wrong_in_any_case_is_told_as_it_came() -> None:
    """Our choice: the text is for whoever has to mend the server."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(CompleteResult, "completion/complete", {"completion": None})
    assert str(caught.value) == (
        "the server answered 'completion/complete' with invalid result: completion: "
        "Input should be a valid dictionary or instance of Completion"
    )


@pytest.mark.parametrize("script", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_answers_full_of_nulls_are_read(script: Script) -> None:
    """Our choice: in every method, also in questions."""
    nulls: JSONObject = {"resultType": None, "nextCursor": None, "_meta": None}
    more: Script = {
        "tools/list": {**nulls, "tools": [{**TOOL, "title": None, "icons": None}]},
        "prompts/list": {**nulls, "prompts": None, "ttlMs": None},
        "tools/call": {**nulls, "content": [TEXT], "isError": None},
        "resources/read": {**nulls, "contents": None, "ttlMs": None},
    }
    async with connected(script, more=more) as (client, _):
        assert [tool.name for tool in await client.list_tools()] == ["add"]
        assert await client.list_prompts() == []
        assert (await client.call_tool("add")).content == [TextContent(text="3")]
        assert (await client.read_resource("a://a")).contents == []


def test_bridge_passes_on_what_strict_clients_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: some refuse a whole list for a null in it."""
    caplog.set_level(logging.WARNING)
    listed: JSONObject = {
        "tools": [{**TOOL, "title": None}, {"name": "broken"}],
        "nextCursor": None,
    }
    assert clean_result("tools/list", listed) == {"tools": [TOOL]}
    called: JSONObject = {"content": [TEXT, {"type": "video"}], "isError": None}
    assert clean_result("tools/call", called) == {"content": [TEXT]}
    assert clean_result("acme/x", {"a": None}) == {"a": None}
    assert [message.partition(" is left out")[0] for message in caplog.messages] == [
        "the answer to 'tools/list': 'broken'",
        "the answer to 'tools/call': 'video'",
    ]
