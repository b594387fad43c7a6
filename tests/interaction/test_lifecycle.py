"""Finding out what a server is, and what it offers."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError

from tests.interaction import features
from tests.interaction.bindings import STAFF
from tests.interaction.client import BOUND, LATEST_LEGACY, error_of
from tests.interaction.conftest import Connect
from tests.interaction.features import Visit, visits
from tests.interaction.ways import Way, only


async def test_client_learns_what_the_server_is(connect: Connect, way: Way) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"; 2026-07-28
    server/discover."""
    async with connect() as client:
        assert client.version == way.version
        info = client.session.server_info
        assert info is not None
        assert (info.name, info.version) == ("interaction", "1.2.3")
        assert client.opened.instructions == "Play along."
        assert await client.call_for_text("double", number=4) == "8"


@only(version=LATEST_LEGACY)
async def test_unknown_version_is_answered_with_the_latest_legacy_one(
    connect: Connect,
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"."""
    async with connect(version="1999-01-01") as client:
        assert client.version == LATEST_LEGACY


async def test_capabilities_say_what_there_are_features_for(
    connect: Connect, way: Way
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation"."""
    has_completions = way.version >= "2025-03-26"
    async with connect() as client:
        assert client.opened.capabilities == types.ServerCapabilities(
            completions=types.CompletionsCapability() if has_completions else None,
            logging=types.LoggingCapability(),
            prompts=types.PromptsCapability(list_changed=True),
            resources=types.ResourcesCapability(subscribe=True, list_changed=True),
            tools=types.ToolsCapability(list_changed=True),
        )


@only(until=LATEST_LEGACY, loop="asyncio")
async def test_gateway_may_initialize_twice(connect: Connect) -> None:
    """We promise it: some do so once for themselves, and once for their client."""
    async with connect() as client:
        await client.subscribe("test://note")
        result = await client.initialize_again()
        assert result.protocol_version == client.version
        async with client.listening():
            features.server.resource_updated("test://note")
            await client.hear(types.ResourceUpdatedNotification)
        assert await client.call_for_text("double", number=4) == "8"


@only(until=LATEST_LEGACY)
async def test_client_that_initializes_as_another_one_begins_anew(
    connect: Connect,
) -> None:
    """We promise it: nothing of what was is left to it."""
    visits["waiting"] = visit = Visit()
    async with connect() as client, anyio.create_task_group() as tasks:

        async def call() -> None:
            with contextlib.suppress(MCPError):  # It may not live to hear of it.
                await client.session.call_tool("wait", {"visit": "waiting"})

        tasks.start_soon(call)
        with anyio.fail_after(BOUND):
            await visit.has_begun.wait()
        result = await client.initialize_again(name="somebody else")
        assert result.protocol_version == client.version
        with anyio.fail_after(BOUND):
            await visit.has_ended.wait()
        text = await client.call_for_text("describe_request")
        assert json.loads(text)["client"] == "somebody else"
        tasks.cancel_scope.cancel()


@only(until=LATEST_LEGACY)
async def test_client_may_ping(connect: Connect) -> None:
    """Spec: 2025-11-25 basic/utilities/ping."""
    async with connect() as client:
        assert await client.session.send_ping() == types.EmptyResult()


async def test_large_results_arrive(connect: Connect) -> None:
    """We promise it; over HTTP+SSE the server pings after each mebibyte."""
    async with connect() as client:
        for _ in range(4):
            text = await client.call_for_text("letters", number=500_000)
            assert len(text) == 500_000


async def test_unknown_method_is_refused(connect: Connect) -> None:
    """Spec: JSON-RPC 2.0, 5.1."""
    async with connect() as client:
        request = types.Request[Any, str](method="tasks/dance", params=None)
        send: Any = client.session.send_request
        assert await error_of(send(request, types.EmptyResult)) == types.ErrorData(
            code=-32601, message="unknown method: tasks/dance"
        )


async def test_handlers_know_who_asks(connect: Connect, way: Way) -> None:
    """We promise it: user, client and version."""
    async with connect(user=STAFF) as client:
        text = await client.call_for_text("describe_request")
        assert json.loads(text) == {
            "user": "staff",
            "client": "scenario",
            "version": way.version,
        }


async def test_lists_are_given_page_by_page_in_a_stable_order(
    connect: Connect,
) -> None:
    """Spec: 2025-11-25 server/utilities/pagination."""
    async with connect(server=features.many) as client:
        session = client.session
        pages: list[list[str]] = []
        params = None
        while True:
            tools = await session.list_tools(params=params)
            pages.append([tool.name for tool in tools.tools])
            if tools.next_cursor is None:
                break
            params = types.PaginatedRequestParams(cursor=tools.next_cursor)
        assert pages == [["tool-0", "tool-1"], ["tool-2", "tool-3"], ["tool-4"]]

        prompts = await session.list_prompts()
        assert [prompt.name for prompt in prompts.prompts] == ["prompt-0", "prompt-1"]
        params = types.PaginatedRequestParams(cursor=prompts.next_cursor)
        prompts = await session.list_prompts(params=params)
        assert [prompt.name for prompt in prompts.prompts] == ["prompt-2", "prompt-3"]

        resources = await session.list_resources()
        params = types.PaginatedRequestParams(cursor=resources.next_cursor)
        resources = await session.list_resources(params=params)
        assert [resource.name for resource in resources.resources] == ["2", "3"]

        templates = await session.list_resource_templates()
        params = types.PaginatedRequestParams(cursor=templates.next_cursor)
        templates = await session.list_resource_templates(params=params)
        assert [t.name for t in templates.resource_templates] == ["2", "3"]


async def test_unknown_cursor_is_refused(connect: Connect) -> None:
    """Spec: 2025-11-25 server/utilities/pagination, "Error Handling"."""
    async with connect(server=features.many) as client:
        params = types.PaginatedRequestParams(cursor="nowhere")
        error = await error_of(client.session.list_tools(params=params))
        assert error.code == types.INVALID_PARAMS


async def test_features_that_need_a_permission_are_hidden_from_others(
    connect: Connect,
) -> None:
    """We promise it: who lacks it gets the answer for an unknown feature."""
    async with connect() as client:
        session = client.session
        assert "promote" not in [t.name for t in (await session.list_tools()).tools]
        prompts = (await session.list_prompts()).prompts
        assert [prompt.name for prompt in prompts] == ["greet"]
        resources = (await session.list_resources()).resources
        assert [resource.uri for resource in resources] == ["test://note", "test://dot"]
        assert await error_of(client.call("promote")) == types.ErrorData(
            code=types.INVALID_PARAMS, message="Unknown tool: promote"
        )
        prompt = session.get_prompt("dismiss", {"name": "Bob"})
        assert await error_of(prompt) == types.ErrorData(
            code=types.INVALID_PARAMS, message="Unknown prompt: dismiss"
        )
        assert await error_of(session.read_resource("test://accounts")) == (
            types.ErrorData(
                code=-32602 if client.is_modern else -32002,
                message="Resource not found",
                data={"uri": "test://accounts"},
            )
        )


async def test_features_that_need_a_permission_are_there_for_who_has_it(
    connect: Connect,
) -> None:
    """We promise it."""
    async with connect(user=STAFF) as client:
        session = client.session
        assert "promote" in [t.name for t in (await session.list_tools()).tools]
        assert await client.call_for_text("promote") == "promoted"
        read = await session.read_resource("test://accounts")
        assert read.contents == [
            types.TextResourceContents(
                uri="test://accounts", mime_type="text/plain", text="ann, bob"
            )
        ]
