"""Our client, and servers that nobody here wrote, over every transport they have.

Each is listed, called, asked questions by, watched and cancelled. See `servers/` for
those by the official Python SDK, 1.x and 2.x; `server-everything` is the reference
server of the TypeScript SDK.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    PromptReference,
    ResourceUpdatedNotification,
    TextContent,
    TextResourceContents,
    ToolListChangedNotification,
)

from mcp_django import Client, ErrorReceived, RequestTimeout, SyncClient, ToolError
from tests import patience
from tests.live.outside_servers import running_outside_server

pytestmark = pytest.mark.live

BOUND = patience.PATIENCE_SECONDS
LEGACY = "2025-11-25"
MODERN = "2026-07-28"


@dataclass
class Connected:
    """A client, and what it was told.

    Attributes:
        client: The client.
        asked: Messages of the forms that it filled in.
    """

    client: Client
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def connected(
    server: str, binding: str, folder: Path, **options: Any
) -> AsyncIterator[Connected]:
    """Run a server, and connect with it."""
    asked: list[str] = []

    async def fill_in(form: Any) -> ElicitResult:
        asked.append(form.message)
        return ElicitResult(action="accept", content={"name": "Ann"})

    async def sample(request: Any) -> CreateMessageResult:
        return CreateMessageResult(
            role="assistant", content=TextContent(text="Paris"), model="a model"
        )

    with (
        running_outside_server(server, binding, folder) as target,
        anyio.fail_after(BOUND),
    ):
        async with Client(
            target,
            on_elicit=fill_in,
            on_sample=sample,
            roots=["file:///srv"],
            **options,
        ) as client:
            yield Connected(client, asked)


def text_of(result: Any) -> str:
    """Give the text of a result that begins with one."""
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


PYTHON = [
    ("python-1", "stdio", None, LEGACY),
    ("python-1", "sse", None, LEGACY),
    ("python-1", "http", None, LEGACY),
    ("python-2", "stdio", None, MODERN),
    ("python-2", "stdio", LEGACY, LEGACY),
    ("python-2", "sse", None, LEGACY),
    ("python-2", "http", None, MODERN),
    ("python-2", "http", LEGACY, LEGACY),
]


@pytest.mark.parametrize(("server", "binding", "wanted", "version"), PYTHON)
async def test_client_does_everything_with_a_python_server(
    server: str, binding: str, wanted: str | None, version: str, tmp_path: Path
) -> None:
    """Spec: 2026-07-28 basic/versioning, "Compatibility Matrix"."""
    async with connected(server, binding, tmp_path, version=wanted) as connection:
        client = connection.client
        assert client.version == version
        assert client.server_info is not None
        assert client.server_info.name == "sdk"
        assert client.instructions == "Use add."

        assert [tool.name for tool in await client.list_tools()] == [
            *("add", "fail", "count", "who", "wait", "count_waiting", "change")
        ]
        added = await client.call_tool("add", {"a": 1, "b": 2})
        assert added.structured_content == {"result": 3}
        with pytest.raises(ToolError, match="Error executing tool fail"):
            await client.call_tool("fail")
        assert text_of(await client.call_tool("who")) == "Ann"
        assert connection.asked == ["Who are you?"]

        reports: list[tuple[float, float | None, str | None]] = []
        await client.call_tool(
            "count", {"to": 3}, on_progress=lambda *report: reports.append(report)
        )
        assert reports == [(n, 3, f"number {n}") for n in (1, 2, 3)]

        assert [r.uri for r in await client.list_resources()] == ["note://text"]
        [template] = await client.list_resource_templates()
        assert template.uri_template == "note://{name}/named"
        read = await client.read_resource("note://x/named")
        assert read.contents == [
            TextResourceContents(
                uri="note://x/named", mime_type="text/plain", text="The note x."
            )
        ]
        with pytest.raises(ErrorReceived):
            await client.read_resource("note://")
        [prompt] = await client.list_prompts()
        got = await client.get_prompt(prompt.name, {"name": "Ada"})
        assert got.messages[0].content == TextContent(text="Say hello to Ada.")
        await client.ping()
        await assert_ends_what_is_cancelled(client)


async def assert_ends_what_is_cancelled(client: Client) -> None:
    """Begin two calls that never end: one is cancelled, one times out."""

    async def count_waiting() -> str:
        return text_of(await client.call_tool("count_waiting"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "wait")
        while await count_waiting() != "1":
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    while await count_waiting() != "0":
        await anyio.lowlevel.checkpoint()
    with pytest.raises(RequestTimeout):
        await client.call_tool("wait", timeout=0.1)
    while await count_waiting() != "0":
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("binding", ["stdio", "http"])
async def test_client_hears_of_changes_in_the_modern_era(
    binding: str, tmp_path: Path
) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions."""
    async with (
        connected("python-2", binding, tmp_path) as connection,
        connection.client.listen("note://text", tools=True) as changes,
    ):
        assert changes.honored.tools_list_changed
        assert changes.honored.resource_subscriptions == ["note://text"]
        await connection.client.call_tool("change")
        heard = [await anext(changes), await anext(changes)]
        assert {type(change) for change in heard} == {
            ToolListChangedNotification,
            ResourceUpdatedNotification,
        }


@pytest.mark.parametrize("binding", ["stdio", "sse", "http"])
async def test_client_does_everything_with_the_reference_server(
    binding: str, tmp_path: Path
) -> None:
    """Spec: 2025-11-25; the server is that of the protocol's authors."""
    async with connected("everything", binding, tmp_path) as connection:
        client = connection.client
        assert client.version == LEGACY
        assert client.server_info is not None
        assert client.server_info.name == "mcp-servers/everything"
        added = await client.call_tool("get-sum", {"a": 1, "b": 2})
        assert text_of(added) == "The sum of 1 and 2 is 3."
        reports: list[tuple[float, float | None, str | None]] = []
        await client.call_tool(
            "trigger-long-running-operation",
            {"duration": 0.3, "steps": 3},
            on_progress=lambda *report: reports.append(report),
        )
        assert reports == [(n, 3, None) for n in (1, 2, 3)]
        # It registers these tools once it knows what its client can do.
        while "trigger-elicitation-request" not in {
            tool.name for tool in await client.list_tools()
        }:
            await anyio.lowlevel.checkpoint()
        asked = await client.call_tool("trigger-elicitation-request")
        assert "User provided" in text_of(asked)
        assert len(connection.asked) == 1
        sampled = await client.call_tool(
            "trigger-sampling-request", {"prompt": "Capital?", "maxTokens": 10}
        )
        assert "Paris" in text_of(sampled)
        rooted = await client.call_tool("get-roots-list")
        assert "file:///srv" in text_of(rooted)
        structured = await client.call_tool(
            "get-structured-content", {"location": "Chicago"}
        )
        assert isinstance(structured.structured_content, dict)
        resources = await client.list_resources()
        await client.read_resource(resources[0].uri)
        completion = await client.complete(
            PromptReference(name="completable-prompt"), "department", "E"
        )
        assert completion.values == ["Engineering"]
        uri = "demo://resource/dynamic/text/1"
        async with client.listen(uri) as changes:
            assert changes.honored.resource_subscriptions == [uri]
            # It tells of a change at once, and then every five seconds.
            await client.call_tool("toggle-subscriber-updates")
            change = await anext(changes)
        assert isinstance(change, ResourceUpdatedNotification)
        assert change.params.uri == uri


@pytest.mark.parametrize("binding", ["stdio", "sse", "http"])
def test_client_without_await_does_the_same(binding: str, tmp_path: Path) -> None:
    """Our choice: ordinary views and commands have the same client."""
    with (
        running_outside_server("everything", binding, tmp_path) as target,
        SyncClient(target) as client,
    ):
        added = client.call_tool("get-sum", {"a": 1, "b": 2})
        assert text_of(added) == "The sum of 1 and 2 is 3."
        assert "echo" in {tool.name for tool in client.list_tools()}
