"""What people write with: tools, resources, prompts, and what a server can be told."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import (
    CallToolResult,
    Completion,
    GetPromptResult,
    Implementation,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Root,
)
from mcp_types.jsonrpc import HEADER_MISMATCH

from mcp_django.client.client import Client
from mcp_django.exceptions import (
    ErrorReceived,
    LocalProtocolError,
    RemoteProtocolError,
    ToolError,
)
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.scripted import (
    INITIALIZED,
    KEY,
    LEGACY,
    MODERN,
    OFFERED,
    Refusal,
    Script,
    ScriptedServer,
    connected,
    serving,
)

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)

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


def sent_of(server: ScriptedServer, method: str) -> list[JSONObject]:
    """Give the params of requests, without what each of them says."""
    return [
        {name: value for name, value in (params or {}).items() if name != "_meta"}
        for params in server.params_of(method)
    ]


# Tools --------------------------------------------------------------------------------


@in_both_eras
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
    """Our choice: so that nobody takes it for a result, and the text is the model's."""
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


# Resources, prompts, completion -------------------------------------------------------

LISTS: list[tuple[str, JSONObject, Any, Any]] = [
    (
        "resources/list",
        {"resources": [{"uri": "a://a", "name": "a"}]},
        lambda client: client.list_resources(),
        [Resource(uri="a://a", name="a")],
    ),
    (
        "resources/templates/list",
        {"resourceTemplates": [{"uriTemplate": "a://{b}", "name": "b"}]},
        lambda client: client.list_resource_templates(),
        [ResourceTemplate(uri_template="a://{b}", name="b")],
    ),
    (
        "prompts/list",
        {"prompts": [{"name": "greet"}]},
        lambda client: client.list_prompts(),
        [Prompt(name="greet")],
    ),
]


@in_both_eras
@pytest.mark.parametrize(
    ("method", "result", "use", "expected"), LISTS, ids=[each[0] for each in LISTS]
)
async def test_list_gives_objects(
    script: Script, method: str, result: JSONObject, use: Any, expected: Any
) -> None:
    """Spec: 2025-11-25 server/resources and server/prompts."""
    async with connected(script, more={method: result}) as (client, _):
        assert await use(client) == expected


@in_both_eras
async def test_resource_is_read(script: Script) -> None:
    """Spec: 2025-11-25 server/resources, "Reading Resources"."""
    result: JSONObject = {"contents": [{"uri": "a://a", "text": "A"}]}
    async with connected(script, more={"resources/read": result}) as (client, server):
        read = await client.read_resource("a://a")
        assert read == ReadResourceResult.model_validate(result)
        assert sent_of(server, "resources/read") == [{"uri": "a://a"}]


@in_both_eras
async def test_prompt_is_got(script: Script) -> None:
    """Spec: 2025-11-25 server/prompts, "Getting a Prompt"."""
    hello = {"role": "user", "content": {"type": "text", "text": "Hello"}}
    result: JSONObject = {"messages": [hello]}
    async with connected(script, more={"prompts/get": result}) as (client, server):
        got = await client.get_prompt("greet", {"name": "Ada"})
        assert got == GetPromptResult.model_validate(result)
        await client.get_prompt("greet")
        assert sent_of(server, "prompts/get") == [
            {"name": "greet", "arguments": {"name": "Ada"}},
            {"name": "greet", "arguments": {}},
        ]


@in_both_eras
async def test_argument_is_completed(script: Script) -> None:
    """Spec: 2025-11-25 server/utilities/completion."""
    result: JSONObject = {"completion": {"values": ["Ada", "Adam"], "hasMore": False}}
    async with connected(script, more={"completion/complete": result}) as (
        client,
        server,
    ):
        prompt = PromptReference(name="greet")
        completion = await client.complete(prompt, "name", "Ad")
        assert completion == Completion(values=["Ada", "Adam"], has_more=False)
        template = ResourceTemplateReference(uri="a://{b}/{c}")
        await client.complete(template, "c", "", arguments={"b": "1"})
        assert sent_of(server, "completion/complete") == [
            {
                "ref": {"type": "ref/prompt", "name": "greet"},
                "argument": {"name": "name", "value": "Ad"},
            },
            {
                "ref": {"type": "ref/resource", "uri": "a://{b}/{c}"},
                "argument": {"name": "c", "value": ""},
                "context": {"arguments": {"b": "1"}},
            },
        ]


# Log level ----------------------------------------------------------------------------


async def test_log_level_of_a_session_is_set() -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Setting Log Level"."""
    async with connected(LEGACY, more={"logging/setLevel": {}}) as (client, server):
        assert "logging/setLevel" not in server.methods
        await client.set_log_level("info")
        await client.set_log_level("error")
        assert server.params_of("logging/setLevel") == [
            {"level": "info"},
            {"level": "error"},
        ]


async def test_log_level_is_set_from_the_beginning() -> None:
    """Our choice: with the connection, before it is used."""
    more: Script = {"logging/setLevel": {}}
    async with connected(LEGACY, more=more, log_level="info") as (_, server):
        assert server.params_of("logging/setLevel") == [{"level": "info"}]


@pytest.mark.parametrize("answer", [Refusal(-32601, "no"), Refusal(-32602, "no")])
async def test_server_that_keeps_its_log_level_can_be_used(
    answer: Refusal, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: who wants fewer log messages does not want no connection."""
    more: Script = {"logging/setLevel": answer, "acme/x": {}}
    async with connected(LEGACY, more=more, log_level="info") as (client, _):
        await client.request("acme/x")
        with pytest.raises(ErrorReceived):
            await client.set_log_level("error")
    assert caplog.messages == [
        f"the server keeps its own log level: no ({answer.code})"
    ]


async def test_server_that_logs_nothing_is_not_told() -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Capabilities"."""
    quiet = {k: v for k, v in OFFERED.items() if k != "logging"}
    opened = {**INITIALIZED, "capabilities": quiet}
    async with connected(LEGACY, more={"initialize": opened}, log_level="info") as (
        client,
        server,
    ):
        await client.set_log_level("error")
        assert "logging/setLevel" not in server.methods


async def test_log_level_goes_with_each_modern_request() -> None:
    """Spec: 2026-07-28 server/utilities/logging, "Per-request log level"."""
    async with connected(more={"acme/x": {}}) as (client, server):
        await client.request("acme/x")
        await client.set_log_level("info")
        await client.request("acme/x")
        levels = [
            (params or {})["_meta"].get(f"{KEY}/logLevel")
            for params in server.params_of("acme/x")
        ]
        assert levels == [None, "info"]
        assert "logging/setLevel" not in server.methods


# Roots --------------------------------------------------------------------------------


async def test_changed_roots_are_announced() -> None:
    """Spec: 2025-11-25 client/roots, "Root List Changes"."""
    async with connected(LEGACY, roots=["file:///a"]) as (client, server):
        await client.set_roots(["file:///b", Root.model_validate({"uri": "file:///c"})])
        await server.expect_notified("notifications/roots/list_changed")
        answer = await server.answer_to(await server.ask("roots/list"))
        assert getattr(answer, "result", None) == {
            "roots": [{"uri": "file:///b"}, {"uri": "file:///c"}]
        }


async def test_modern_servers_hear_of_roots_when_they_ask() -> None:
    """Spec: 2026-07-28 client/roots: there is no notification."""
    first: JSONObject = {
        "resultType": "input_required",
        "inputRequests": {"a": {"method": "roots/list"}},
    }
    more: Script = {"tools/call": [first, text("ok")]}
    async with connected(more=more, roots=[]) as (client, server):
        await client.set_roots(["file:///a"])
        await client.call_tool("look")
        [_, second] = sent_of(server, "tools/call")
        told = {"a": {"roots": [{"uri": "file:///a"}]}}
        assert second["inputResponses"] == told
        assert "notifications/roots/list_changed" not in server.methods


async def test_roots_that_were_never_declared_cannot_change() -> None:
    """Our choice: the server was told that there are none."""
    async with connected(LEGACY) as (client, _):
        with pytest.raises(LocalProtocolError) as caught:
            await client.set_roots(["file:///a"])
    assert str(caught.value) == (
        "cannot change roots that were never declared; pass roots=[] to Client"
    )


def test_roots_have_to_be_urls() -> None:
    """Spec: 2025-11-25 client/roots: of the scheme `file`, for now."""
    with pytest.raises(ValueError, match="root '/home/ada' is no URL of a folder"):
        Client(["shop"], roots=["/home/ada"])


# Who it is ----------------------------------------------------------------------------


@in_both_eras
async def test_client_says_who_it_is(script: Script) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""

    def said(server: ScriptedServer) -> JSON:
        [params] = server.params_of("initialize") or server.params_of("server/discover")
        assert params is not None
        return params.get("clientInfo") or params["_meta"][f"{KEY}/clientInfo"]

    async with connected(script) as (_, server):
        assert said(server)["name"] == "mcp_django"
        assert said(server)["version"]
    info = Implementation(name="shop", version="2.0", title="Shop")
    async with connected(script, client_info=info) as (_, server):
        assert said(server) == {"name": "shop", "version": "2.0", "title": "Shop"}


async def test_two_clients_know_nothing_of_each_other() -> None:
    """Our choice: nothing is shared between clients."""
    async with (
        serving({**MODERN, "acme/x": {"a": 1}}) as modern,
        serving({**LEGACY, "acme/x": {"a": 2}}) as legacy,
        Client(modern.transport) as first,
        Client(legacy.transport) as second,
    ):
        assert await first.request("acme/x") == {"a": 1}
        assert await second.request("acme/x") == {"a": 2}
        assert (first.version, second.version) == ("2026-07-28", "2025-11-25")
