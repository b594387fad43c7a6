"""Requests in rounds, in pages, and not twice in vain."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import anyio
import pytest
from mcp_types import (
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    TextContent,
)

from mcp_django.exceptions import (
    ErrorAnswer,
    ErrorReceived,
    LocalProtocolError,
    RemoteProtocolError,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.scripted import (
    LEGACY,
    MODERN,
    Refusal,
    Script,
    ScriptedServer,
    beside,
    connected,
)
from tests.client.virtual_time import BACKENDS

FORM: JSONObject = {
    "mode": "form",
    "message": "Name?",
    "requestedSchema": {"type": "object", "properties": {}},
}
VISIT: JSONObject = {
    "mode": "url",
    "message": "Pay",
    "url": "https://example.com/pay",
    "elicitationId": "7",
}
MESSAGES: JSONObject = {
    "messages": [{"role": "user", "content": {"type": "text", "text": "Capital?"}}],
    "maxTokens": 100,
}
DONE: JSONObject = {"resultType": "complete", "content": []}
CALL: JSONObject = {"name": "greet", "arguments": {"a": 1}}


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump: what is kept for hours goes stale at once."""
    return request.param, BACKENDS[request.param]()


def required(**members: JSON) -> JSONObject:
    return {"resultType": "input_required", **members}


def asking(key: str, params: JSONObject = FORM) -> JSONObject:
    return {key: {"method": "elicitation/create", "params": params}}


async def elicit(params: Any) -> ElicitResult:
    if isinstance(params, ElicitRequestURLParams):
        return ElicitResult(action="cancel")
    assert isinstance(params, ElicitRequestFormParams)
    return ElicitResult(action="accept", content={"for": params.message})


async def sample(params: Any) -> CreateMessageResult:
    return CreateMessageResult(
        role="assistant", content=TextContent(text="Paris"), model="m"
    )


def sent_of(server: ScriptedServer, method: str) -> list[JSONObject]:
    """Give the params of requests, without what each of them says."""
    return [
        {name: value for name, value in (params or {}).items() if name != "_meta"}
        for params in server.params_of(method)
    ]


# Rounds -------------------------------------------------------------------------------


async def test_all_kinds_of_questions_are_answered_in_one_round() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements"."""
    questions: JSONObject = {
        "form": {"method": "elicitation/create", "params": FORM},
        "visit": {"method": "elicitation/create", "params": VISIT},
        "ask": {"method": "sampling/createMessage", "params": MESSAGES},
        "roots": {"method": "roots/list"},
    }
    first = required(inputRequests=questions, requestState="s")
    options: dict[str, Any] = {"on_elicit": elicit, "on_sample": sample}
    async with connected(
        more={"tools/call": [first, DONE]}, roots=["file:///a"], **options
    ) as (client, server):
        assert await client.request("tools/call", CALL) == DONE
        answers: JSONObject = {
            "form": {"action": "accept", "content": {"for": "Name?"}},
            "visit": {"action": "cancel"},
            "ask": {
                "role": "assistant",
                "content": {"type": "text", "text": "Paris"},
                "model": "m",
            },
            "roots": {"roots": [{"uri": "file:///a"}]},
        }
        assert sent_of(server, "tools/call") == [
            CALL,
            {**CALL, "inputResponses": answers, "requestState": "s"},
        ]
        ids = {m.id for m in server.received if hasattr(m, "id")}
        assert len(ids) == 3


async def test_each_round_brings_what_the_last_one_asked_for() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements": the exact value of
    the state, and none if there is none."""
    state = ' \t{"a": "\u00e9\\u0000"}\u2028 '
    rounds: list[Any] = [
        required(inputRequests=asking("a"), requestState=state),
        required(inputRequests=asking("b")),
        required(requestState=""),
        DONE,
    ]
    async with connected(more={"tools/call": rounds}, on_elicit=elicit) as (
        client,
        server,
    ):
        assert await client.request("tools/call", CALL) == DONE
        answer: JSONObject = {"action": "accept", "content": {"for": "Name?"}}
        assert sent_of(server, "tools/call") == [
            CALL,
            {**CALL, "inputResponses": {"a": answer}, "requestState": state},
            {**CALL, "inputResponses": {"b": answer}},
            {**CALL, "requestState": ""},
        ]


@pytest.mark.parametrize(
    ("method", "use"),
    [
        ("tools/call", lambda client: client.call_tool("greet")),
        ("prompts/get", lambda client: client.get_prompt("greet")),
        ("resources/read", lambda client: client.read_resource("a://a")),
    ],
)
async def test_tools_prompts_and_resources_may_ask(method: str, use: Any) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    done: JSONObject = {"content": [], "messages": [], "contents": []}
    script: Script = {method: [required(inputRequests=asking("a")), done]}
    async with connected(more=script, on_elicit=elicit) as (client, server):
        await use(client)
        assert server.methods.count(method) == 2


async def test_endless_questions_come_to_an_end() -> None:
    """Our choice: `max_rounds`; nobody is asked what will not be sent."""
    ask = Mock(return_value=ElicitResult(action="decline"))

    async def count(params: Any) -> Any:
        return ask(params)

    script: Script = {"tools/call": required(inputRequests=asking("a"))}
    async with connected(more=script, on_elicit=count, max_rounds=3) as (
        client,
        server,
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            await client.call_tool("greet")
        assert str(caught.value) == (
            "the server asked something in each of 4 rounds of 'tools/call', and did "
            "not come to an end"
        )
        assert server.methods.count("tools/call") == 4
        assert ask.call_count == 3


async def test_state_without_questions_does_not_go_on_for_ever() -> None:
    """Our choice: such rounds count like others."""
    script: Script = {"tools/call": required(requestState="s")}
    async with connected(more=script) as (client, server):
        with pytest.raises(RemoteProtocolError, match="in each of 11 rounds"):
            await client.call_tool("greet")
        assert server.methods.count("tools/call") == 11


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("tools/call", required()),
        ("tools/call", required(inputRequests={"a": {"method": "acme/x"}})),
        ("tools/call", required(inputRequests=[], requestState="s")),
        ("tools/call", {"resultType": "task"}),
        ("tools/list", required(requestState="s")),
    ],
)
async def test_malformed_round_is_the_fault_of_the_server(
    method: str, result: JSONObject
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements"."""
    async with connected(more={method: result}, on_elicit=elicit) as (client, _):
        with pytest.raises(RemoteProtocolError):
            await client.request(method)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            {"method": "sampling/createMessage", "params": MESSAGES},
            "this client declared that it has no sampling/createMessage",
        ),
        (
            {"method": "elicitation/create", "params": {"mode": "url"}},
            "elicitation/create: invalid params: ",
        ),
    ],
)
async def test_question_that_must_not_be_asked_is_the_fault_of_the_server(
    question: JSONObject, text: str
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements": nothing that was
    not declared."""
    script: Script = {"tools/call": required(inputRequests={"a": question})}
    async with connected(more=script, on_elicit=elicit) as (client, server):
        with pytest.raises(RemoteProtocolError) as caught:
            await client.call_tool("greet")
        assert str(caught.value).startswith(text)
        assert server.methods.count("tools/call") == 1


async def test_failing_function_fails_the_request() -> None:
    """Our choice: the server is told nothing of it, and the caller is."""
    failure = KeyError("oops")

    async def fail(params: Any) -> ElicitResult:
        raise failure

    script: Script = {"tools/call": required(inputRequests=asking("a"))}
    async with connected(more=script, on_elicit=fail) as (client, _):
        with pytest.raises(LocalProtocolError) as caught:
            await client.call_tool("greet")
    assert str(caught.value) == (
        "cannot answer 'elicitation/create', which the server asks: KeyError: 'oops'"
    )
    assert isinstance(caught.value.__cause__, ErrorAnswer)
    assert caught.value.__cause__.__cause__ is failure


async def test_progress_is_reported_in_each_round() -> None:
    """Our choice: with a token of its own, as rounds are requests of their own."""
    reports: list[float] = []

    async def note(progress: float, *rest: Any) -> None:
        reports.append(progress)

    async with (
        connected(on_elicit=elicit) as (client, server),
        beside(lambda: client.call_tool("greet", on_progress=note)),
    ):
        first = await server.expect("tools/call")
        await server.report_progress(first, 1)
        await server.answer(first, required(inputRequests=asking("a")))
        second = await server.expect("tools/call")
        await server.report_progress(second, 2)
        await server.answer(second, DONE)
    assert reports == [1.0, 2.0]


# Pages --------------------------------------------------------------------------------


def tools(*names: str, **more: JSON) -> JSONObject:
    entries = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
    return {"tools": entries, **more}


@pytest.mark.parametrize("script", [MODERN, LEGACY])
async def test_list_has_all_pages(script: Script) -> None:
    """Spec: 2025-11-25 server/utilities/pagination; a cursor may be any text."""
    pages: list[Any] = [
        tools("a", "b", nextCursor=""),
        tools(nextCursor="2"),
        tools("c"),
    ]
    async with connected(script, more={"tools/list": pages}) as (client, server):
        assert [tool.name for tool in await client.list_tools()] == ["a", "b", "c"]
        assert sent_of(server, "tools/list") == [{}, {"cursor": ""}, {"cursor": "2"}]


@pytest.mark.parametrize("cursor", ["1", 7, {}])
async def test_pages_in_circles_are_the_fault_of_the_server(cursor: JSON) -> None:
    """Our choice: a list that has no end is no list."""
    pages: list[Any] = [tools(nextCursor="1"), tools(nextCursor=cursor)]
    async with connected(more={"tools/list": pages}) as (client, server):
        with pytest.raises(RemoteProtocolError) as caught:
            await client.list_tools()
        assert str(caught.value) == (
            "the pages of 'tools/list' have no end: after 1 cursors came one that was "
            "there before, or one too many"
        )
        assert server.methods.count("tools/list") == 2


async def test_endless_pages_come_to_an_end() -> None:
    """Our choice: at most a thousand."""
    pages: list[Any] = [tools(nextCursor=str(number)) for number in range(1001)]
    async with connected(more={"tools/list": pages}) as (client, server):
        with pytest.raises(RemoteProtocolError, match="have no end: after 1000"):
            await client.list_tools()
        assert server.methods.count("tools/list") == 1000


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({}, "the server answered 'tools/list' without a list of 'tools'"),
        ({"tools": {}}, "the server answered 'tools/list' without a list of 'tools'"),
    ],
)
async def test_malformed_list_is_the_fault_of_the_server(
    result: JSONObject, text: str
) -> None:
    """Our choice: the text says what is wrong."""
    async with connected(more={"tools/list": result}) as (client, _):
        with pytest.raises(RemoteProtocolError) as caught:
            await client.list_tools()
    assert str(caught.value) == text


# What holds ---------------------------------------------------------------------------

READ: JSONObject = {"contents": [{"uri": "a://a", "text": "A"}], "ttlMs": 60_000}


async def test_result_that_holds_is_not_asked_for_again() -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Freshness Calculation"."""
    page = tools("a", ttlMs=60_000)
    script: Script = {"tools/list": page, "resources/read": READ}
    async with connected(more=script) as (client, server):
        for seconds in (0, 59, 2):
            await anyio.sleep(seconds)
            assert [tool.name for tool in await client.list_tools()] == ["a"]
            await client.read_resource("a://a")
        assert server.methods.count("tools/list") == 2
        assert server.methods.count("resources/read") == 2
        await client.read_resource("a://b")
        assert server.methods.count("resources/read") == 3


async def test_fresh_result_is_asked_for_in_any_case() -> None:
    """Our choice: all pages of it, and what comes is kept."""
    pages: list[Any] = [
        tools("a", ttlMs=60_000, nextCursor="2"),
        tools("b", ttlMs=60_000),
        tools("c", ttlMs=60_000, nextCursor="2"),
        tools("d", ttlMs=60_000),
    ]
    script: Script = {"tools/list": pages, "resources/read": READ}
    async with connected(more=script) as (client, server):
        assert [tool.name for tool in await client.list_tools()] == ["a", "b"]
        fresh = await client.list_tools(fresh=True)
        assert [tool.name for tool in fresh] == ["c", "d"]
        assert [tool.name for tool in await client.list_tools()] == ["c", "d"]
        assert server.methods.count("tools/list") == 4
        await client.read_resource("a://a")
        await client.read_resource("a://a", fresh=True)
        await client.read_resource("a://a")
        assert server.methods.count("resources/read") == 2


async def test_page_that_is_stale_is_asked_for_alone() -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Interaction with Pagination"."""
    pages: list[Any] = [
        tools("a", ttlMs=60_000, nextCursor="2"),
        tools("b", ttlMs=1000),
        tools("c"),
    ]
    async with connected(more={"tools/list": pages}) as (client, server):
        await client.list_tools()
        await anyio.sleep(2)
        assert [tool.name for tool in await client.list_tools()] == ["a", "c"]
        assert sent_of(server, "tools/list")[2:] == [{"cursor": "2"}]


@pytest.mark.parametrize("script", [MODERN, LEGACY])
async def test_change_ends_what_held(script: Script) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Interaction with Notifications"."""
    more: Script = {"tools/list": tools("a", ttlMs=60_000), "resources/read": READ}
    async with connected(script, more=more) as (client, server):
        for _ in range(2):
            await client.list_tools()
            await client.read_resource("a://a")
        await server.notify("notifications/tools/list_changed")
        await server.notify("notifications/resources/updated", {"uri": "a://a"})
        await anyio.wait_all_tasks_blocked()
        for _ in range(2):
            await client.list_tools()
            await client.read_resource("a://a")
        assert server.methods.count("tools/list") == 2
        assert server.methods.count("resources/read") == 2


async def test_change_while_a_result_is_on_its_way_ends_it_too() -> None:
    """Our choice: it may be from before; also when both come at once."""
    changed = jsonrpc.notification("notifications/tools/list_changed")
    async with connected() as (client, server):
        for _ in range(2):
            async with beside(client.list_tools) as call:
                request = await server.expect("tools/list")
                answer = jsonrpc.result(request.id, tools("a", ttlMs=60_000))
                await server.send_at_once(answer, changed)
            assert len(call.result()) == 1


async def test_answer_to_questions_is_not_kept() -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cache Key"."""
    script: Script = {
        "resources/read": [required(inputRequests=asking("a")), READ, READ, READ]
    }
    async with connected(more=script, on_elicit=elicit) as (client, server):
        for _ in range(3):
            await client.read_resource("a://a")
        # The first one took two rounds; the second one is kept.
        assert server.methods.count("resources/read") == 3


async def test_error_is_not_kept() -> None:
    """Our choice: only results say how long they hold."""
    script: Script = {"resources/read": [Refusal(-32002), READ]}
    async with connected(more=script) as (client, _):
        with pytest.raises(ErrorReceived):
            await client.read_resource("a://a")
        result = await client.read_resource("a://a")
        assert result.contents[0].uri == "a://a"
