"""Opening a session, in each version, and finding out what there is."""

from __future__ import annotations

import mcp_types as types
import pytest

from mcp_django.protocol.versions import LEGACY
from tests.interaction import features
from tests.interaction.bindings import STAFF
from tests.interaction.client import LATEST, error_of
from tests.interaction.conftest import Connect


@pytest.mark.parametrize("version", LEGACY)
async def test_session_opens_in_the_version_that_was_offered(
    connect: Connect, version: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"."""
    async with connect(version=version) as client:
        assert client.initialized.protocol_version == version
        assert client.initialized.server_info.name == "interaction"
        assert client.initialized.server_info.version == "1.2.3"
        assert client.initialized.instructions == "Play along."
        assert await client.call_for_text("double", number=4) == "8"


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01"])
async def test_unknown_version_is_answered_with_the_latest_legacy_one(
    connect: Connect, version: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"."""
    async with connect(version=version) as client:
        assert client.initialized.protocol_version == LATEST


async def test_capabilities_say_what_there_are_features_for(connect: Connect) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation"."""
    async with connect() as client:
        assert client.initialized.capabilities == types.ServerCapabilities(
            completions=types.CompletionsCapability(),
            logging=types.LoggingCapability(),
            prompts=types.PromptsCapability(list_changed=True),
            resources=types.ResourcesCapability(subscribe=True, list_changed=True),
            tools=types.ToolsCapability(list_changed=True),
        )


async def test_both_sides_may_ping(connect: Connect) -> None:
    """Spec: 2025-11-25 basic/utilities/ping.

    Over HTTP+SSE the server pings before it sends more than a mebibyte.
    """
    async with connect() as client:
        assert await client.session.send_ping() == types.EmptyResult()
        for _ in range(4):
            text = await client.call_for_text("letters", number=500_000)
            assert len(text) == 500_000


async def test_unknown_method_is_refused(connect: Connect) -> None:
    """Spec: JSON-RPC 2.0, 5.1."""
    async with connect() as client:
        request = types.GetTaskRequest(params=types.GetTaskRequestParams(task_id="1"))
        error = await error_of(
            client.session.send_request(request, types.GetTaskResult)
        )
        assert error == types.ErrorData(
            code=-32601, message="unknown method: tasks/get"
        )


async def test_handlers_know_who_asks(connect: Connect) -> None:
    """We promise it: user, client and version are the session's."""
    async with connect(user=STAFF) as client:
        result = await client.call("describe_request")
        assert result.structured_content == {
            "user": "staff",
            "client": "scenario",
            "version": LATEST,
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
                code=-32002,
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
