"""The fixture site has what the official conformance suite calls, to the letter.

The suite itself runs over Streamable HTTP (`make conformance`); here its calls are
made in memory. The client checks every answer against the schema of the version, as
the suite does.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.subscriptions import PromptsListChanged, ToolsListChanged
from mcp_types import TextContent

from tests.conformance.connections import connect, connect_modern
from tests.conformance.mcp import PNG
from tests.interaction.client import BOUND, error_of


async def test_first_tool_is_callable_without_arguments() -> None:
    """The suite: it calls whatever is listed first."""
    async with connect() as client:
        first = (await client.session.list_tools()).tools[0]
        assert not (await client.call(first.name, {})).is_error


async def test_every_feature_has_a_name_and_a_description() -> None:
    """The suite: `tools-list`, `resources-list`, `prompts-list`."""
    async with connect() as client:
        tools = (await client.session.list_tools()).tools
        prompts = (await client.session.list_prompts()).prompts
        features: list[types.Tool | types.Prompt] = [*tools, *prompts]
        for feature in features:
            assert feature.name
            assert feature.description
        resources = (await client.session.list_resources()).resources
        assert [resource.uri for resource in resources] == [
            "test://static-text",
            "test://static-binary",
            "test://watched-resource",
        ]


@pytest.mark.parametrize(
    ("tool", "content"),
    [
        (
            "test_simple_text",
            [
                {
                    "type": "text",
                    "text": "This is a simple text response for testing.",
                }
            ],
        ),
        (
            "test_embedded_resource",
            [
                {
                    "type": "resource",
                    "resource": {
                        "uri": "test://embedded-resource",
                        "mimeType": "text/plain",
                        "text": "This is an embedded resource content.",
                    },
                }
            ],
        ),
    ],
)
async def test_tool_returns_the_literal_content(
    tool: str, content: list[dict[str, Any]]
) -> None:
    """The suite: `tools-call-simple-text`, `tools-call-embedded-resource`."""
    async with connect() as client:
        result = await client.call(tool)
        assert result.structured_content is None
        assert [
            block.model_dump(by_alias=True, exclude_none=True)
            for block in result.content
        ] == content


@pytest.mark.parametrize(
    ("tool", "kind", "mime_type", "beginning"),
    [
        ("test_image_content", types.ImageContent, "image/png", b"\x89PNG"),
        ("test_audio_content", types.AudioContent, "audio/wav", b"RIFF"),
    ],
)
async def test_tool_returns_media(
    tool: str, kind: Any, mime_type: str, beginning: bytes
) -> None:
    """The suite: `tools-call-image`, `tools-call-audio`."""
    async with connect() as client:
        [block] = (await client.call(tool)).content
        assert isinstance(block, kind)
        assert block.mime_type == mime_type
        assert b64decode(block.data, validate=True).startswith(beginning)


async def test_tool_returns_mixed_content() -> None:
    """The suite: `tools-call-mixed-content`."""
    async with connect() as client:
        text, image, resource = (
            await client.call("test_multiple_content_types")
        ).content
        assert (text.type, image.type) == ("text", "image")
        assert isinstance(resource, types.EmbeddedResource)
        assert resource.resource.uri == "test://mixed-content-resource"
        assert resource.resource.mime_type == "application/json"


async def test_tool_fails_with_the_literal_text() -> None:
    """The suite: `tools-call-error`."""
    async with connect() as client:
        assert await client.call_for_error("test_error_handling") == (
            "This tool intentionally returns an error for testing"
        )


async def test_tool_reports_progress_three_times() -> None:
    """The suite: `tools-call-with-progress`."""
    reports: list[tuple[float, float | None]] = []

    async def on_progress(
        progress: float, total: float | None, message: str | None
    ) -> None:
        reports.append((progress, total))

    async with connect() as client:
        await client.call("test_tool_with_progress", progress_callback=on_progress)
    assert reports == [(0, 100), (50, 100), (100, 100)]


async def test_tool_logs_three_messages() -> None:
    """The suite: `tools-call-with-logging`, after the level was set to debug."""
    async with connect() as client:
        await client.set_log_level("debug")
        await client.call("test_tool_with_logging")
        for _ in range(3):
            heard = await client.hear(types.LoggingMessageNotification)
            assert heard.params.level == "info"


async def test_tool_logs_for_those_who_want_it() -> None:
    """The suite: `server-stateless`, which must not see a message unasked."""
    heard: list[types.LoggingMessageNotificationParams] = []

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        heard.append(params)

    async with connect_modern(logging_callback=on_log) as client:
        await client.call_tool("test_logging_tool")
    assert heard == []
    async with connect_modern(logging_callback=on_log, log_level="info") as client:
        await client.call_tool("test_logging_tool")
    assert [(params.level, params.data) for params in heard] == [
        ("info", "The tool was called")
    ]


async def test_tool_that_ends_its_response_goes_on() -> None:
    """The suite: `server-sse-polling`; in memory there is no response to end."""
    async with connect() as client:
        text = await client.call_for_text("test_reconnection")
    assert text == "Reconnection test completed."


async def test_tools_tell_of_changed_lists() -> None:
    """The suite: `server-stateless`, about `subscriptions/listen`."""
    async with (
        connect_modern() as client,
        client.listen(tools_list_changed=True, prompts_list_changed=True) as changes,
    ):
        with anyio.fail_after(BOUND):
            await client.call_tool("test_trigger_tool_change")
            assert await anext(aiter(changes)) == ToolsListChanged()
            await client.call_tool("test_trigger_prompt_change")
            assert await anext(aiter(changes)) == PromptsListChanged()


async def test_argument_is_to_be_repeated_in_a_header() -> None:
    """The suite: `http-custom-header-server-validation`."""
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.session.list_tools()).tools}
        schema = tools["test_x_mcp_header"].input_schema
        assert schema["properties"] == {
            "region": {"type": "string", "default": "", "x-mcp-header": "Region"}
        }
        text = await client.call_for_text("test_x_mcp_header", region="here")
    assert text == "Region: here"


async def test_verbatim_schema_arrives_intact() -> None:
    """The suite: `json-schema-2020-12`."""
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.session.list_tools()).tools}
        schema = tools["json_schema_2020_12_tool"].input_schema
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["type"] == "object"
        assert schema["$defs"]["address"]["$anchor"] == "addressDef"
        assert schema["properties"]["address"] == {"$ref": "#/$defs/address"}
        assert "anyOf" in schema["allOf"][0]
        assert {"if", "then", "else"} <= schema.keys()
        assert schema["additionalProperties"] is False
        assert await client.call_for_text(
            "json_schema_2020_12_tool", contactMethod="phone", phone="1"
        )
        assert await client.call_for_error(
            "json_schema_2020_12_tool", contactMethod="phone", email="a@b.example"
        )


async def test_missing_capability_is_a_protocol_error() -> None:
    """Spec: 2026-07-28 schema.ts, `MissingRequiredClientCapabilityError`."""
    async with connect() as client:
        assert await error_of(client.call("test_missing_capability")) == (
            types.ErrorData(
                code=-32021,
                message="Missing required client capability: sampling",
                data={"requiredCapabilities": {"sampling": {}}},
            )
        )


async def test_resources_have_the_literal_contents() -> None:
    """The suite: `resources-read-text`, `-binary`, `resources-templates-read`."""
    async with connect() as client:
        read = client.session.read_resource
        [text] = (await read("test://static-text")).contents
        assert isinstance(text, types.TextResourceContents)
        assert (text.uri, text.mime_type) == ("test://static-text", "text/plain")
        assert text.text
        [blob] = (await read("test://static-binary")).contents
        assert isinstance(blob, types.BlobResourceContents)
        assert (blob.uri, blob.mime_type) == ("test://static-binary", "image/png")
        assert b64decode(blob.blob) == PNG
        [data] = (await read("test://template/123/data")).contents
        assert isinstance(data, types.TextResourceContents)
        assert data.uri == "test://template/123/data"
        assert data.mime_type == "application/json"
        assert "123" in data.text
        await client.subscribe("test://watched-resource")
        await client.unsubscribe("test://watched-resource")


async def test_prompts_have_the_literal_messages() -> None:
    """The suite: `prompts-get-simple`, `-with-args`, `-embedded-resource`, `-image`."""
    async with connect() as client:
        get = client.session.get_prompt
        [message] = (await get("test_simple_prompt")).messages
        assert message.content.type == "text"
        arguments = {"arg1": "hello", "arg2": "world"}
        [message] = (await get("test_prompt_with_arguments", arguments)).messages
        assert isinstance(message.content, TextContent)
        assert "hello" in message.content.text
        assert "world" in message.content.text
        arguments = {"resourceUri": "test://example-resource"}
        embedded, text = (
            await get("test_prompt_with_embedded_resource", arguments)
        ).messages
        assert isinstance(embedded.content, types.EmbeddedResource)
        assert embedded.content.resource.uri == "test://example-resource"
        assert text.content.type == "text"
        image, text = (await get("test_prompt_with_image")).messages
        assert (image.content.type, text.content.type) == ("image", "text")


async def test_prompt_argument_is_completed() -> None:
    """The suite: `completion-complete`."""
    async with connect() as client:
        completed = await client.session.complete(
            types.PromptReference(name="test_prompt_with_arguments"),
            {"name": "arg1", "value": "test"},
        )
        assert completed.completion.values == ["test", "tester"]
