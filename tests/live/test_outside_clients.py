"""The official SDKs' clients, older and newer releases, over every transport.

Each connects, lists, calls, calls twenty times at once, reads, prompts, sees progress,
answers questions, comes back for a result, cancels and closes. See `clients/sdk.py` for
those in Python and `clients/everything.mjs` for those in TypeScript.
"""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, TextContent
from mcp_types.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY

from tests.live import processes
from tests.live.daphne import SETTINGS, Daphne
from tests.live.interpreters import python_with_sdk_1, python_with_sdk_2
from tests.live.node import has_npm, node, npm_packages
from tests.live.raw import BOUND

pytestmark = pytest.mark.live

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
CLIENTS = Path(__file__).parent / "clients"
TYPESCRIPT_SDKS = {
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/client": "2.4.0",
}
SDKS = ("python-1", "python-2", "typescript-1", "typescript-2")
MODERN_SDKS = ("python-2", "typescript-2")
SERVER = {
    "name": "conformance",
    "title": "Conformance fixture",
    "version": "1.0.0",
}
STDIO_COMMANDS = {
    "module": ["-m", "mcp_django", "stdio"],
    "manage": ["manage.py", "mcp_stdio"],
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Give a folder where the TypeScript programs find the packages they import."""
    if not has_npm() and not os.environ.get("CI"):
        pytest.skip("npm is not installed (Debian's package: npm)")
    packages = npm_packages("typescript-sdk", TYPESCRIPT_SDKS)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    for program in CLIENTS.glob("*.mjs"):
        shutil.copy(program, tmp_path)
    return tmp_path


def client_of(sdk: str, request: pytest.FixtureRequest) -> list[str]:
    """Give the command of the client program by an SDK."""
    match sdk:
        case "python-1":
            return [python_with_sdk_1(), str(CLIENTS / "sdk.py")]
        case "python-2":
            return [python_with_sdk_2(), str(CLIENTS / "sdk.py")]
        case _:
            programs: Path = request.getfixturevalue("programs")
            return [node(), str(programs / f"{sdk.replace('-', '_')}.mjs")]


def assert_sees_everything(
    command: Sequence[str],
    sdk: str,
    version: str,
    extra: dict[str, str] | None = None,
) -> None:
    """Run a client, and compare what it saw with what the fixture site offers."""
    printed, complaints = processes.run(command, extra or {})
    seen = json.loads(printed)
    assert seen.pop("sdk").startswith(f"{sdk[-1]}.")
    tools = seen.pop("tools")
    assert tools[0] == "test_simple_text"
    assert {"add", "echo", "slow_echo", "count_rows"} <= set(tools)
    assert seen == expected(sdk, version)
    assert complaints == ""


def expected(sdk: str, version: str) -> dict[str, Any]:
    """Say what a client by an SDK sees in a version, beside the tools."""
    filled = {"username": "Who are you?", "email": "ann@example.com"}
    content = {
        "uri": "test://static-text",
        "mimeType": "text/plain",
        "text": "This is the content of the static text resource.",
    }
    message = {
        "role": "user",
        "content": {
            "type": "text",
            "text": "Prompt with arguments: arg1='one', arg2='two'",
        },
    }
    result = members_of_every_result(sdk) if version == MODERN else {}
    # Spec: 2026-07-28 server/utilities/caching.
    cached = {"ttlMs": 0, "cacheScope": "private"} if version == MODERN else {}
    # Spec: 2026-07-28 server/tools, "Structured Content": any JSON value.
    structured = 5 if version == MODERN else {"result": 5}
    return {
        "protocolVersion": version,
        "serverInfo": SERVER,
        "call": text_result("5") | {"structuredContent": structured} | result,
        "concurrent": [f"number {index}" for index in range(20)],
        "resource": {"contents": [content]} | cached | result,
        "prompt": {"description": "Repeat two arguments.", "messages": [message]}
        | result,
        "progress": [[0, 100], [50, 100], [100, 100]],
        "elicitation": text_result(f"User response: accept, {filled}") | result,
        "sampling": text_result("LLM response: Paris") | result,
        "reconnection": text_result("Reconnection test completed.") | result,
        "cancelled": {"before": 1, "after": 0},
        # Spec: 2026-07-28 changelog: there is no ping any more.
        **({} if version == MODERN else {"ping": {}}),
    }


def members_of_every_result(sdk: str) -> dict[str, Any]:
    """Give what the modern era adds to results, as far as an SDK shows it."""
    meta = {"io.modelcontextprotocol/serverInfo": SERVER}
    # The one in TypeScript takes resultType out again.
    shown = {"resultType": "complete"} if sdk == "python-2" else {}
    return {"_meta": meta, **shown}


def text_result(text: str) -> dict[str, Any]:
    """Make the result of a tool that returns a text only."""
    return {"content": [{"type": "text", "text": text}]}


@pytest.mark.parametrize("sdk", SDKS)
def test_client_does_everything_over_sse(
    sdk: str, site: Daphne, request: pytest.FixtureRequest
) -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE"; all legacy features."""
    command = [*client_of(sdk, request), "sse", f"{site.url}/mcp/sse"]
    assert_sees_everything(command, sdk, LEGACY)


@pytest.mark.parametrize("sdk", SDKS)
def test_client_does_everything_in_a_session_over_streamable_http(
    sdk: str, site: Daphne, request: pytest.FixtureRequest
) -> None:
    """Spec: 2025-11-25 basic/transports, "Streamable HTTP"."""
    command = [*client_of(sdk, request), "http", f"{site.url}/mcp"]
    assert_sees_everything(command, sdk, LEGACY)


@pytest.mark.parametrize("sdk", MODERN_SDKS)
def test_client_finds_the_modern_era_and_does_everything_in_it(
    sdk: str, site: Daphne, request: pytest.FixtureRequest
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http."""
    command = [*client_of(sdk, request), "modern", f"{site.url}/mcp"]
    assert_sees_everything(command, sdk, MODERN)


def test_client_does_everything_over_websocket(
    site: Daphne, request: pytest.FixtureRequest
) -> None:
    """We chose it: the one official client that has this transport can use it."""
    sdk = "typescript-1"
    url = site.url.replace("http", "ws", 1)
    command = [*client_of(sdk, request), "websocket", f"{url}/mcp"]
    assert_sees_everything(command, sdk, LEGACY)


@pytest.mark.parametrize("entry", STDIO_COMMANDS)
@pytest.mark.parametrize("sdk", ["python-1", "python-2"])
def test_client_does_everything_over_stdio(
    sdk: str, entry: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Spec: 2025-11-25 basic/transports, "stdio"; both commands that we offer."""
    server = [sys.executable, *STDIO_COMMANDS[entry]]
    assert_sees_everything(
        [*client_of(sdk, request), "stdio", *server],
        sdk,
        LEGACY,
        {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "CONFORMANCE_DATABASE": str(tmp_path / "site.sqlite3"),
        },
    )


async def test_same_tool_asks_every_client_in_its_own_way(site: Daphne) -> None:
    """We promise it: a handler is written once, whatever the client speaks."""
    url = f"{site.url}/mcp"
    form: dict[str, Any] = {"username": "ann", "email": "ann@example.com"}
    asked: list[str] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content=form)

    clients = {
        "sse": Client(
            sse_client(f"{url}/sse"), mode="legacy", elicitation_callback=answer
        ),
        LEGACY: Client(url, mode="legacy", elicitation_callback=answer),
        MODERN: Client(url, mode=MODERN, elicitation_callback=answer),
    }
    with anyio.fail_after(BOUND):
        for name, connected in clients.items():
            async with connected as client:
                result = await client.call_tool("test_elicitation", {"message": name})
            assert result.content == [
                TextContent(text=f"User response: accept, {form}")
            ]
            assert not result.is_error
        assert asked == [*clients]

        async with Client(url, mode="legacy") as client:
            result = await client.call_tool("test_elicitation", {"message": "Who?"})
        assert result.is_error
        assert result.content == [
            TextContent(
                text="mcp cannot be asked: it did not declare the capability "
                "'elicitation.form'"
            )
        ]
        async with Client(url, mode=MODERN) as client:
            with pytest.raises(MCPError) as refused:
                await client.call_tool("test_elicitation", {"message": "Who?"})
        assert refused.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY
        assert refused.value.error.data == {
            "requiredCapabilities": {"elicitation": {"form": {}}}
        }
