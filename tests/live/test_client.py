"""Our client and our server, each half live: every binding, both eras, both loops."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
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

from mcp_django import Client, ErrorReceived, RequestTimeout, ToolError
from mcp_django.client.connecting import Target
from mcp_django.protocol.versions import LATEST_LEGACY, LEGACY, MODERN
from mcp_django.transports.client.stdio import StdioClientTransport
from tests import patience
from tests.live import processes
from tests.live.daphne import SETTINGS, Daphne

pytestmark = pytest.mark.live

BOUND = patience.PATIENCE_SECONDS
WATCHED = "test://watched-resource"
FORM: dict[str, str | int | float | bool | list[str] | None] = {
    "username": "ann",
    "email": "ann@example.com",
}


@dataclass(frozen=True)
class Way:
    """How the client comes to the server, what it speaks, and on which event loop."""

    binding: str
    version: str
    loop: str

    def __str__(self) -> str:
        return f"{self.binding}-{self.version}-{self.loop}"


BINDINGS: Mapping[str, tuple[str, ...]] = {
    "http": (*MODERN, *LEGACY),
    # The versions between are no others there than over HTTP.
    "sse": (LATEST_LEGACY, LEGACY[-1]),
    "websocket": (*MODERN, LATEST_LEGACY, LEGACY[-1]),
    "stdio": (*MODERN, LATEST_LEGACY, LEGACY[-1]),
}
WAYS = [
    Way(binding, version, loop)
    for binding, versions in BINDINGS.items()
    for version in versions
    for loop in ("asyncio", "trio")
    if loop == "asyncio" or version in (LATEST_LEGACY, *MODERN)
]


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """Give each way in turn."""
    chosen: Way = request.param
    return chosen


@pytest.fixture
def anyio_backend(way: Way) -> str:
    """Name the event loop."""
    return way.loop


@pytest.fixture
def target(way: Way, site: Daphne, tmp_path: Path) -> Target:
    """Say where the server is."""
    match way.binding:
        case "http":
            return f"{site.url}/mcp"
        case "sse":
            return f"{site.url}/mcp/sse"
        case "websocket":
            return f"{site.url.replace('http', 'ws', 1)}/mcp"
        case _:
            return stdio_target(tmp_path)


def stdio_target(folder: Path) -> Callable[[], StdioClientTransport]:
    """Run the fixture site over stdio, with a database of its own."""
    variables = {
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "CONFORMANCE_DATABASE": str(folder / "site.sqlite3"),
    }
    return lambda: StdioClientTransport(
        sys.executable, ["-m", "mcp_django", "stdio"], env=variables, cwd=processes.ROOT
    )


async def fill_in(form: Any) -> ElicitResult:
    """Be the user."""
    return ElicitResult(action="accept", content=FORM)


async def sample(request: Any) -> CreateMessageResult:
    """Be the language model."""
    return CreateMessageResult(
        role="assistant", content=TextContent(text="Paris"), model="a model"
    )


@asynccontextmanager
async def connected(target: Target, way: Way, **options: Any) -> AsyncIterator[Client]:
    """Connect in the version of a way."""
    with anyio.fail_after(BOUND):
        async with Client(
            target, version=way.version, on_elicit=fill_in, on_sample=sample, **options
        ) as client:
            assert client.version == way.version
            yield client


async def call_for_text(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool, and give the text of its result."""
    result = await client.call_tool(tool, arguments)
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


async def test_everything_works(way: Way, target: Target) -> None:
    """Spec: of each version; what one half says the other half understands."""
    async with connected(target, way) as client:
        assert client.server_info is not None
        assert client.server_info.name == "conformance"
        tools = await client.list_tools()
        assert tools[0].name == "test_simple_text"
        assert await call_for_text(client, "add", a=2, b=3) == "5"
        texts: dict[int, str] = {}

        async def echo(number: int) -> None:
            texts[number] = await call_for_text(client, "echo", text=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(echo, number)
        assert texts == {number: str(number) for number in range(20)}

        reports: list[tuple[float, float | None]] = []
        await client.call_tool(
            "test_tool_with_progress",
            on_progress=lambda progress, total, _: reports.append((progress, total)),
        )
        assert reports == [(0, 100), (50, 100), (100, 100)]
        with pytest.raises(ToolError, match="intentionally"):
            await client.call_tool("test_error_handling")

        asked = await call_for_text(client, "test_elicitation", message="Who?")
        assert asked == f"User response: accept, {FORM}"
        sampled = await call_for_text(client, "test_sampling", prompt="Capital?")
        assert sampled == "LLM response: Paris"
        reconnected = await call_for_text(client, "test_reconnection")
        assert reconnected == "Reconnection test completed."

        read = await client.read_resource("test://static-text")
        [contents] = read.contents
        assert isinstance(contents, TextResourceContents)
        assert contents.text == "This is the content of the static text resource."
        with pytest.raises(ErrorReceived):
            await client.read_resource("test://nothing")
        got = await client.get_prompt(
            "test_prompt_with_arguments", {"arg1": "one", "arg2": "two"}
        )
        assert got.messages[0].content == TextContent(
            text="Prompt with arguments: arg1='one', arg2='two'"
        )
        prompt = PromptReference(name="test_prompt_with_arguments")
        await client.complete(prompt, "arg1", "test")
        await client.ping()


async def test_changes_are_heard(way: Way, target: Target) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions; 2025-11-25 server/resources."""
    async with (
        connected(target, way) as client,
        client.listen(WATCHED, tools=True) as changes,
    ):
        assert changes.honored.tools_list_changed
        assert changes.honored.resource_subscriptions == [WATCHED]
        await client.call_tool("touch", {"uri": WATCHED})
        updated = await anext(changes)
        assert isinstance(updated, ResourceUpdatedNotification)
        assert updated.params.uri == WATCHED
        await client.call_tool("test_trigger_tool_change")
        assert isinstance(await anext(changes), ToolListChangedNotification)


async def test_what_is_cancelled_or_late_ends_at_the_server(
    way: Way, target: Target
) -> None:
    """Spec: basic/utilities/cancellation; 2026-07-28 basic/patterns/cancellation."""

    async def running() -> int:
        text = await call_for_text(client, "slow_echoes")
        return len(json.loads(text)["running"])

    # Others of this site may run calls of their own: none does in these tests.
    async with connected(target, way) as client:
        arguments = {"text": "", "delay": 60}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "slow_echo", arguments)
            while await running() != 1:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        while await running():
            await anyio.lowlevel.checkpoint()
        with pytest.raises(RequestTimeout):
            await client.call_tool("slow_echo", arguments, timeout=0.1)
        while await running():
            await anyio.lowlevel.checkpoint()


async def test_log_messages_are_heard(way: Way, target: Target) -> None:
    """Spec: server/utilities/logging."""
    heard: list[Any] = []
    enough = anyio.Event()

    async def hear(log: Any) -> None:
        heard.append(log.data)
        if len(heard) == 3:
            enough.set()

    async with connected(target, way, on_log=hear, log_level="debug") as client:
        await client.call_tool("test_tool_with_logging")
        await enough.wait()
    assert len(heard) == 3


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("binding", "version"),
    [
        ("http", MODERN[0]),
        ("sse", LATEST_LEGACY),
        ("websocket", MODERN[0]),
        ("stdio", MODERN[0]),
    ],
)
def test_client_finds_out_what_the_server_speaks(
    binding: str, version: str, loop: str, site: Daphne, tmp_path: Path
) -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility ..."."""
    urls = {
        "http": f"{site.url}/mcp",
        "sse": f"{site.url}/mcp/sse",
        "websocket": f"{site.url.replace('http', 'ws', 1)}/mcp",
    }

    async def find_out() -> str:
        with anyio.fail_after(BOUND):
            async with Client(urls.get(binding) or stdio_target(tmp_path)) as client:
                await client.call_tool("add", {"a": 1, "b": 1})
                return client.version

    assert anyio.run(find_out, backend=loop) == version
