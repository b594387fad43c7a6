"""The messages on both sides of the bridge, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    JSONRPCError,
    JSONRPCResponse,
)

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.subscriptions import SUBSCRIPTION_ID_META_KEY
from tests.bridge.bridges import (
    CLIENT_INFO,
    ERAS,
    EVERYTHING,
    SERVER_INFO,
    VERSIONS,
    Era,
    far_end,
    raw_client,
    raw_pair,
)
from tests.interaction.features import server

MODERN = VERSIONS["modern"]
FORM: JSONObject = {
    "message": "Who?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
}
TEXT: JSONObject = {"content": [{"type": "text", "text": "done"}]}


# What is said of the two -------------------------------------------------------------


async def test_legacy_client_is_told_what_its_version_knows_of_a_modern_server() -> (
    None
):
    """Spec: 2024-11-05 schema.ts, `InitializeResult`, `Implementation`."""
    async with far_end(server, "modern") as far, raw_client(far) as client:
        opened = await client.initialize("2024-11-05")
        assert opened == {
            "protocolVersion": "2024-11-05",
            "capabilities": {
                "logging": {},
                "prompts": {"listChanged": True},
                "resources": {"subscribe": True, "listChanged": True},
                "tools": {"listChanged": True},
            },
            "serverInfo": {"name": "interaction", "version": "1.2.3"},
            "instructions": "Play along.",
        }


async def test_legacy_client_is_asked_by_a_server_of_both_eras_as_if_directly() -> None:
    """Our choice: handlers of many servers can ask in a session only."""
    async with raw_pair(server_era="both") as (client, played):
        await client.initialize()
        [opened] = played.opened
        assert opened["clientInfo"] == CLIENT_INFO
        assert opened["capabilities"] == EVERYTHING
        call = await client.request("tools/call", {"name": "who"})
        called = await played.request("tools/call")
        await played.ask("q", "elicitation/create", FORM)
        question = await client.question()
        assert (question.method, question.params) == ("elicitation/create", FORM)
        answer: JSONObject = {"action": "accept", "content": {"name": "Ann"}}
        await client.send(jsonrpc.result(question.id, answer))
        answered = await played.next_message()
        assert answered == jsonrpc.result("q", answer)
        await played.reply(called, TEXT)
        assert await client.answer_to(call) == jsonrpc.result(call, TEXT)


async def test_modern_client_is_passed_on_to_the_modern_era_of_a_server_of_both() -> (
    None
):
    """Our choice: nothing has to be converted."""
    async with raw_pair(server_era="both") as (client, played):
        call = await client.request("tools/call", client.modern({"name": "who"}))
        called = await played.request("tools/call")
        assert called.params is not None
        assert called.params["_meta"][PROTOCOL_VERSION_META_KEY] == MODERN
        assert played.opened == []
        await played.reply(called, {**TEXT, "resultType": "complete"})
        await client.answer_to(call)


async def test_modern_client_is_told_what_a_legacy_server_is() -> None:
    """Spec: 2026-07-28 server/discover, and server/utilities/caching."""
    async with raw_pair(server_era="legacy") as (client, _):
        assert await client.call("server/discover", client.modern()) == {
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {}},
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": {SERVER_INFO_META_KEY: SERVER_INFO},
        }


async def test_legacy_server_is_told_what_the_client_is() -> None:
    """Chosen: the server decides by what the client can do, not the bridge."""
    capabilities: JSONObject = {"sampling": {}, "tasks": {"list": {}}}
    async with raw_pair(server_era="legacy", client_capabilities=capabilities) as (
        client,
        played,
    ):
        await client.initialize()
        # Tasks are not passed on, and so not promised.
        assert played.opened == [
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {"sampling": {}},
                "clientInfo": CLIENT_INFO,
            }
        ]


async def test_modern_server_is_told_of_the_client_with_each_request() -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields"; other `_meta` stays."""
    async with raw_pair(server_era="modern") as (client, played):
        params = client.modern({"name": "go"}, traceparent="00-1", **{"x/y": 1})
        id = await client.request("tools/call", params)
        request = await played.request("tools/call")
        assert request.params == params
        await played.reply(request, TEXT)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result == {
            "resultType": "complete",
            **TEXT,
            "_meta": {SERVER_INFO_META_KEY: SERVER_INFO},
        }


async def test_modern_server_is_told_of_a_legacy_client_and_what_it_wants_to_hear() -> (
    None
):
    """Spec: 2026-07-28 server/utilities/logging: per request; in sessions once."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        said: dict[str, Any] = {
            PROTOCOL_VERSION_META_KEY: MODERN,
            CLIENT_INFO_META_KEY: CLIENT_INFO,
            CLIENT_CAPABILITIES_META_KEY: EVERYTHING,
        }
        for level in (None, "error"):
            if level is not None:
                assert await client.call("logging/setLevel", {"level": level}) == {}
            await client.request("tools/call", {"name": "go", "_meta": {"x/y": 1}})
            request = await played.request("tools/call")
            meta = {**said, LOG_LEVEL_META_KEY: level or "info", "x/y": 1}
            assert request.params == {"name": "go", "_meta": meta}


async def test_unknown_log_level_is_refused() -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Error Handling"."""
    async with raw_pair(server_era="modern") as (client, _):
        await client.initialize()
        error = await client.error_of("logging/setLevel", {"level": "loud"})
        assert error.code == INVALID_PARAMS


# Results and errors ------------------------------------------------------------------


async def test_legacy_client_gets_nothing_of_the_modern_era() -> None:
    """Spec: 2026-07-28 schema.ts, `Result`: what older versions do not have."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        id = await client.request("resources/read", {"uri": "test://a"})
        contents = [{"uri": "test://a", "text": "a"}]
        result: JSONObject = {
            "resultType": "complete",
            "ttlMs": 9,
            "cacheScope": "public",
            "contents": contents,
            "_meta": {SERVER_INFO_META_KEY: SERVER_INFO, "x/y": 1},
        }
        await played.reply(await played.request("resources/read"), result)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result == {"contents": contents, "_meta": {"x/y": 1}}


async def test_oldest_client_gets_the_content_that_it_knows() -> None:
    """Spec: 2025-03-26 and 2025-06-18 changelogs: audio, links, structured content."""
    async with far_end(server, "modern") as far, raw_client(far) as client:
        await client.initialize("2024-11-05")
        result = await client.call("tools/call", {"name": "shapes"})
        assert [block["type"] for block in result["content"]] == ["text"] * 3
        result = await client.call(
            "tools/call", {"name": "double", "arguments": {"number": 2}}
        )
        assert result == {"content": [{"type": "text", "text": "4"}]}
        tools = (await client.call("tools/list"))["tools"]
        assert all({"title", "outputSchema"}.isdisjoint(tool) for tool in tools)
        prompt = await client.call(
            "prompts/get", {"name": "greet", "arguments": {"name": "Ann"}}
        )
        assert [message["role"] for message in prompt["messages"]] == ["user"]


async def test_oldest_client_gets_progress_without_words() -> None:
    """Spec: 2025-03-26 changelog: `message` is new there."""
    async with far_end(server, "modern") as far, raw_client(far) as client:
        await client.initialize("2024-11-05")
        params = {"name": "climb", "_meta": {"progressToken": "mine"}}
        await client.call("tools/call", params)
        assert client.notifications("notifications/progress") == [
            {"progressToken": "mine", "progress": step, "total": 3}
            for step in (1, 2, 3)
        ]


@pytest.mark.parametrize(
    ("method", "result", "faults"),
    [
        ("tools/list", {"tools": 7}, "a result that is malformed"),
        ("tools/list", {}, "a result that is malformed"),
        ("tools/call", {"content": 7}, "a result that is malformed"),
        (
            "prompts/get",
            {"messages": ["hello"]},
            "messages number 1: invalid form: Input should be a valid dictionary or "
            "instance of PromptMessage",
        ),
        (
            "resources/read",
            {"contents": {"uri": "a"}},
            "a result that is malformed",
        ),
    ],
)
async def test_malformed_result_is_an_error_and_the_bridge_goes_on(
    method: str, result: JSONObject, faults: str
) -> None:
    """Chosen: whose fault it is can be read."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize("2024-11-05")
        id = await client.request(method, {"name": "x", "uri": "x"})
        await played.reply(await played.request(method), result)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert answer.error.code == INTERNAL_ERROR
        assert answer.error.message == (f"the server answered {method!r} with {faults}")
        assert await client.call("ping") == {}


ADD: JSONObject = {"name": "add", "inputSchema": {"type": "object"}}


@pytest.mark.parametrize("server_era", ERAS)
@pytest.mark.parametrize("client_era", ERAS)
async def test_malformed_entries_are_left_out_and_nulls_are_absent(
    server_era: Era, client_era: Era, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: many programs refuse a whole list for one of its entries."""
    async with raw_pair(server_era=server_era) as (client, played):
        params: JSONObject | None = None
        if client_era == "legacy":
            await client.initialize()
        else:
            params = client.modern()
        id = await client.request("tools/list", params)
        listed = {
            "tools": [{**ADD, "title": None}, {"name": "bad"}],
            "nextCursor": None,
        }
        await played.reply(await played.request("tools/list"), listed)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result["tools"] == [ADD]
        assert "nextCursor" not in answer.result
        id = await client.request("tools/call", {**(params or {}), "name": "add"})
        await played.reply(
            await played.request("tools/call"), {**TEXT, "isError": None}
        )
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result.get("isError", False) is False
        assert answer.result["content"] == TEXT["content"]
    assert caplog.messages == [
        "the answer to 'tools/list': 'bad' is left out, by fault of the server: "
        "invalid form: inputSchema: "
        "Field required"
    ]


async def test_codes_of_older_versions_are_not_sent_to_a_modern_client() -> None:
    """Spec: 2026-07-28 basic, "Error Codes"."""
    async with raw_pair(server_era="legacy") as (client, played):
        for code, expected in ((-32002, INVALID_PARAMS), (-32050, INTERNAL_ERROR)):
            id = await client.request("resources/read", client.modern({"uri": "x"}))
            request = await played.request("resources/read")
            await played.send(jsonrpc.error(request.id, code, "gone", {"uri": "x"}))
            answer = await client.answer_to(id)
            assert isinstance(answer, JSONRPCError)
            assert (answer.error.code, answer.error.message) == (expected, "gone")
            assert answer.error.data == {"uri": "x"}


async def test_tools_are_listed_again_for_a_server_that_misses_headers() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior"."""
    async with raw_pair(server_era="modern") as (client, played):
        id = await client.request("tools/call", client.modern({"name": "go"}))
        request = await played.request("tools/call")
        await played.send(jsonrpc.error(request.id, HEADER_MISMATCH, "headers"))
        await played.reply(
            await played.request("tools/list"), {"tools": [], "nextCursor": "2"}
        )
        request = await played.request("tools/list")
        assert request.params is not None
        assert request.params["cursor"] == "2"
        await played.reply(request, {"tools": []})
        await played.reply(await played.request("tools/call"), TEXT)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result["content"] == TEXT["content"]


async def test_request_before_initialize_is_refused() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"; pings are answered."""
    async with raw_pair(server_era="legacy") as (client, played):
        assert await client.call("ping") == {}
        error = await client.error_of("tools/list")
        assert error.code == INVALID_REQUEST
        error = await client.error_of("initialize", {"protocolVersion": 7})
        assert error.code == INVALID_PARAMS
        assert not played.ends


# Questions ---------------------------------------------------------------------------


async def test_result_that_asks_is_passed_on_untouched_between_modern_ends() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr."""
    async with raw_pair(server_era="modern") as (client, played):
        id = await client.request("tools/call", client.modern({"name": "go"}))
        asked: JSONObject = {
            "resultType": "input_required",
            "inputRequests": {"a": {"method": "elicitation/create", "params": FORM}},
            "requestState": "sealed",
            "_meta": {SERVER_INFO_META_KEY: SERVER_INFO},
        }
        await played.reply(await played.request("tools/call"), asked)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result == asked
        again = client.modern(
            {
                "name": "go",
                "inputResponses": {"a": {"action": "decline"}},
                "requestState": "sealed",
            }
        )
        await client.request("tools/call", again)
        assert (await played.request("tools/call")).params == again


async def test_request_is_passed_on_as_it_is_between_legacy_ends() -> None:
    """Chosen: also the answer, and an error with its data."""
    async with raw_pair(server_era="legacy") as (client, played):
        await client.initialize()
        await played.ask("q1", "elicitation/create", FORM)
        question = await client.question()
        assert (question.method, question.params) == ("elicitation/create", FORM)
        content = {"action": "accept", "content": {"name": "Ann"}}
        await client.send(jsonrpc.result(question.id, content))
        assert await played.next_message() == jsonrpc.result("q1", content)
        await played.ask("q2", "sampling/createMessage", {"messages": []})
        question = await client.question(2)
        await client.send(jsonrpc.error(question.id, -1, "no model", {"why": "none"}))
        assert await played.next_message() == jsonrpc.error(
            "q2", -1, "no model", {"why": "none"}
        )


async def test_question_that_is_withdrawn_is_withdrawn_at_the_client() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    async with raw_pair(server_era="legacy") as (client, played):
        await client.initialize()
        await played.ask(1, "roots/list", {})
        question = await client.question()
        cancelled = jsonrpc.notification("notifications/cancelled", {"requestId": 1})
        await played.send(cancelled)
        [params] = await client.notified("notifications/cancelled")
        assert params == {"requestId": question.id, "reason": "no longer needed"}


async def test_question_that_comes_before_the_session_is_open_waits_for_it() -> None:
    """Chosen: servers ask for folders as soon as they are initialized.

    That is before the client knows of it.
    """
    async with raw_pair(server_era="legacy") as (client, played):
        played.first_question = jsonrpc.request(1, "roots/list", {})
        await client.initialize()
        question = await client.question()
        # The client learns first that there is a session.
        assert isinstance(client.received[0], JSONRPCResponse)
        assert client.received[1] == question
        await client.send(jsonrpc.result(question.id, {"roots": []}))
        assert await played.next_message() == jsonrpc.result(1, {"roots": []})


async def test_question_without_anybody_to_ask_is_refused() -> None:
    """Chosen: a modern client is asked by the result of a call only."""
    async with raw_pair(server_era="legacy") as (client, played):
        await client.call("server/discover", client.modern())
        await played.ask(1, "roots/list", {})
        refused = await played.next_message()
        assert isinstance(refused, JSONRPCError)
        assert refused.error.code == INTERNAL_ERROR
        assert "nobody to ask 'roots/list'" in refused.error.message


async def test_question_that_the_client_does_not_offer_is_refused() -> None:
    """Spec: 2025-11-25 client/elicitation: URLs are a capability of their own."""
    forms_only: JSONObject = {"elicitation": {"form": {}}}
    async with raw_pair(server_era="legacy", client_capabilities=forms_only) as (
        client,
        played,
    ):
        await client.initialize()
        visit = {"mode": "url", "url": "https://a.example", "message": "Visit."}
        await played.ask(1, "elicitation/create", {**visit, "elicitationId": "1"})
        refused = await played.next_message()
        assert isinstance(refused, JSONRPCError)
        await played.ask(2, "roots/list", {})
        refused = await played.next_message()
        assert isinstance(refused, JSONRPCError)
        assert refused.error.code == -32601


async def test_refusal_of_a_legacy_client_is_the_answer_to_its_own_request() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr: answers are results, never errors."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        id = await client.request("tools/call", {"name": "go"})
        asked: JSONObject = {
            "resultType": "input_required",
            "inputRequests": {
                "a": {"method": "elicitation/create", "params": FORM},
                "b": {"method": "roots/list"},
            },
        }
        await played.reply(await played.request("tools/call"), asked)
        question = await client.question(2)
        await client.send(jsonrpc.error(question.id, -1, "not now"))
        answer = await client.answer_to(id)
        assert answer == jsonrpc.error(id, -1, "not now")
        assert len(await client.notified("notifications/cancelled")) == 1


async def test_modern_server_that_asks_to_no_end_is_given_up() -> None:
    """Chosen: a bound, as for every client."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        id = await client.request("tools/call", {"name": "go"})
        asked: JSONObject = {"resultType": "input_required", "requestState": "again"}
        for _ in range(100):
            await played.reply(await played.request("tools/call"), asked)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert "did not come to an end" in answer.error.message


# Notifications -----------------------------------------------------------------------


async def test_notifications_of_a_session_are_passed_on_between_legacy_ends() -> None:
    """Chosen: as they are, whatever they are."""
    async with raw_pair(server_era="legacy") as (client, played):
        await client.initialize()
        for method, params in (
            ("notifications/tools/list_changed", None),
            ("notifications/resources/updated", {"uri": "test://a/b"}),
            ("notifications/elicitation/complete", {"elicitationId": "1"}),
            ("notifications/x/y", {"z": 1}),
        ):
            await played.send(jsonrpc.notification(method, params))
            assert await client.notified(method) == [params]
        changed = "notifications/roots/list_changed"
        await client.notify(changed)
        assert (await played.next(changed)).params is None


async def test_modern_server_hears_nothing_of_a_session() -> None:
    """Spec: 2026-07-28 changelog: clients have no notifications but cancellations."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        await client.notify("notifications/roots/list_changed")
        await client.request("tools/call", {"name": "go"})
        await played.request("tools/call")


async def test_subscription_of_a_modern_client_is_acknowledged_and_ended() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions."""
    tools = {"tools": {"listChanged": True}}
    async with raw_pair(server_era="modern", capabilities=tools) as (client, played):
        wanted = {"toolsListChanged": True, "promptsListChanged": True}
        id = await client.request(
            "subscriptions/listen", client.modern({"notifications": wanted})
        )
        listen = await played.request("subscriptions/listen")
        assert listen.params is not None
        assert listen.params["notifications"] == wanted
        theirs = {SUBSCRIPTION_ID_META_KEY: listen.id}
        ours = {SUBSCRIPTION_ID_META_KEY: id}
        honored = {"toolsListChanged": True}
        acknowledged = "notifications/subscriptions/acknowledged"
        await played.send(
            jsonrpc.notification(
                acknowledged, {"_meta": theirs, "notifications": honored}
            )
        )
        assert await client.notified(acknowledged) == [
            {"_meta": ours, "notifications": honored}
        ]
        changed = "notifications/tools/list_changed"
        await played.send(jsonrpc.notification(changed, {"_meta": theirs}))
        assert await client.notified(changed) == [{"_meta": ours}]
        await played.reply(listen, {"resultType": "complete", "_meta": theirs})
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result == {
            "resultType": "complete",
            "_meta": {SERVER_INFO_META_KEY: SERVER_INFO, **ours},
        }


async def test_malformed_subscription_is_refused() -> None:
    """Spec: JSON-RPC 2.0, section 5.1."""
    async with raw_pair(server_era="modern") as (client, _):
        params = client.modern({"notifications": {"resourceSubscriptions": 7}})
        error = await client.error_of("subscriptions/listen", params)
        assert error.code == INVALID_PARAMS
        await client.initialize()
        error = await client.error_of("resources/subscribe", {"uri": 7})
        assert error.code == INVALID_PARAMS
