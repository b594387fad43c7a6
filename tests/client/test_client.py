"""What developers write with: resources, prompts, and what a server can be told."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import (
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

from mcp_django.client.client import Client
from mcp_django.exceptions import (
    ErrorReceived,
    LocalProtocolError,
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
    sent_of,
    serving,
)

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)

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
        f"the server keeps its own log level, as it refuses ours: no ({answer.code})"
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
    more: Script = {"tools/call": [first, {"content": []}]}
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
