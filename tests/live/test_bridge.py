"""The bridge as programs start it: `python -m mcp_django stdio --connect URL`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, TextContent

from tests.live import processes
from tests.live.daphne import Daphne, running_daphne
from tests.live.interpreters import python_with_sdk_1, python_with_sdk_2
from tests.live.outside_servers import running_outside_server
from tests.live.raw import BOUND
from tests.live.stdio import StdioServer, running_stdio
from tests.live.test_outside_clients import CLIENTS, LEGACY, MODERN, expected
from tests.patience import SOON_SECONDS
from tests.transports.http_servers import Wire, serve

pytestmark = pytest.mark.live

STDIO = [sys.executable, "-m", "mcp_django", "stdio"]
PYTHONS: Mapping[str, Callable[[], str]] = {
    "python-1": python_with_sdk_1,
    "python-2": python_with_sdk_2,
}


def address(site: Daphne, binding: str) -> str:
    """Give the URL of the fixture's server over a binding."""
    match binding:
        case "sse":
            return f"{site.url}/mcp/sse"
        case "websocket":
            return f"{site.url.replace('http', 'ws', 1)}/mcp"
        case _:
            return f"{site.url}/mcp"


@pytest.mark.parametrize("binding", ["http", "sse", "websocket"])
@pytest.mark.parametrize(
    ("sdk", "kind", "version"),
    [
        ("python-1", "bridge", LEGACY),
        ("python-2", "bridge", LEGACY),
        ("python-2", "modern-bridge", MODERN),
    ],
)
def test_outside_client_does_everything_through_the_bridge(
    sdk: str, kind: str, version: str, binding: str, site: Daphne
) -> None:
    """We promise it: whatever the client speaks, and whatever the server."""
    program = [PYTHONS[sdk](), str(CLIENTS / "sdk.py"), kind]
    command = [*program, *STDIO, "--connect", address(site, binding)]
    printed, complaints = processes.run(command, {})
    seen = json.loads(printed)
    assert seen.pop("sdk").startswith(f"{sdk[-1]}.")
    assert "slow_echo" in seen.pop("tools")
    wanted = expected(sdk, version)
    if sdk == "python-1":
        del wanted["cancelled"]
    if binding == "sse":
        # The server is of the legacy era there.
        wanted["call"]["structuredContent"] = {"result": 5}
    assert seen == wanted
    assert complaints == ""


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("binding", ["http", "sse"])
@pytest.mark.parametrize("server", ["python-1", "python-2"])
async def test_bridge_joins_ends_that_nobody_here_wrote(
    server: str, binding: str, mode: Any, tmp_path: Path
) -> None:
    """We promise it: also where we are neither the client nor the server."""
    asked: list[str] = []
    reports: list[tuple[float, float | None, str | None]] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"name": "Ann"})

    async def on_progress(
        progress: float, total: float | None, message: str | None
    ) -> None:
        reports.append((progress, total, message))

    with (
        running_outside_server(server, binding, tmp_path) as url,
        anyio.fail_after(BOUND),
    ):
        assert isinstance(url, str)
        async with Client(
            bridge_to(url, {}), mode=mode, elicitation_callback=answer
        ) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names[:3] == ["add", "fail", "count"]
            result = await client.call_tool("who")
            assert result.content == [TextContent(text="Ann")]
            await client.call_tool("count", {"to": 2}, progress_callback=on_progress)
            assert (await client.call_tool("fail")).is_error
            assert (await client.read_resource("note://text")).contents
    assert asked == ["Who are you?"]
    assert reports == [(1, 2, "number 1"), (2, 2, "number 2")]


async def test_everything_that_was_asked_is_answered_at_the_end_of_the_input(
    site: Daphne,
) -> None:
    """We promise it: `printf ... | python -m mcp_django stdio --connect URL` works."""
    async with running_stdio("--connect", address(site, "http"), extra={}) as bridge:
        await bridge.initialize()
        await bridge.begin_call(1, "slow_echo", text="last words", delay=0.3)
        await bridge.close_input()
        answer = await bridge.receive()
        assert answer["result"]["content"] == [{"type": "text", "text": "last words"}]
        with pytest.raises(anyio.EndOfStream):
            await bridge.receive()
        assert await bridge.wait() == 0


async def test_what_runs_at_the_server_ends_with_the_bridge(site: Daphne) -> None:
    """We promise it: within two seconds."""
    url = address(site, "http")
    async with running_stdio("--connect", url, extra={}) as watcher:
        await watcher.initialize()

        async def until_running(number: int) -> None:
            with anyio.fail_after(BOUND):
                for id in range(1, 10_000):
                    result = await watcher.call(id, "slow_echoes")
                    running = json.loads(result["content"][0]["text"])["running"]
                    if len(running) == number:
                        return

        async with running_stdio("--connect", url, extra={}) as bridge:
            await bridge.initialize()
            await bridge.begin_call(1, "slow_echo", text="", delay=60)
            await until_running(1)
            await bridge.close_input()
            with anyio.fail_after(SOON_SECONDS):
                assert await bridge.wait() == 0
            await until_running(0)


async def test_server_that_does_not_answer_holds_up_nobody() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Shutdown": clients wait, then end us."""
    has_said_goodbye = anyio.Event()

    async def play(wire: Wire) -> None:
        method = wire.request.message.get("method") if wire.request.body else ""
        match method:
            case "server/discover":
                await answer(wire, error={"code": -32601, "message": "unknown"})
            case "initialize":
                opened = {"protocolVersion": LEGACY, "capabilities": {"tools": {}}}
                opened["serverInfo"] = {"name": "mute", "version": "1"}
                await answer(wire, result=opened)
            case _:
                if wire.request.method == "DELETE":
                    has_said_goodbye.set()
                await wire.wait_until_left()

    async with serve(play) as server:
        url = f"{server.url}/mcp"
        async with running_stdio("--connect", url, extra={}) as bridge:
            await bridge.initialize()
            await bridge.begin_call(1, "mute")
            await bridge.close_input()
            with anyio.fail_after(SOON_SECONDS):
                assert await bridge.wait() == 0
        assert has_said_goodbye.is_set()


async def answer(wire: Wire, **answer: Any) -> None:
    """Answer a request over HTTP, and open a session."""
    message = {"jsonrpc": "2.0", "id": wire.request.message["id"], **answer}
    body = json.dumps(message).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: one\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    await wire.send(head.encode() + body)


async def test_server_that_stops_and_comes_back_is_used_again(tmp_path: Path) -> None:
    """We promise it: the client goes on, with an error for what was under way."""
    with running_daphne(tmp_path) as daphne:
        url = address(daphne, "http")
        port = int(daphne.url.rpartition(":")[2])
        async with running_stdio("--connect", url, extra={}) as bridge:
            await bridge.initialize()
            await bridge.call(1, "echo", text="a")
            daphne.process.kill()
            daphne.process.wait()
            await bridge.begin_call(2, "echo", text="b")
            answer = await bridge.receive()
            assert answer["id"] == 2
            assert answer["error"]["code"] == -32603
            with running_daphne(tmp_path, name="again", port=port):
                result = await bridge.call(3, "echo", text="c")
                assert result["content"] == [{"type": "text", "text": "c"}]


async def test_server_that_is_not_there_is_explained(tmp_path: Path) -> None:
    """We promise it: the client's user reads why, and the bridge goes on."""
    url = "http://127.0.0.1:9/mcp"
    async with running_stdio("--connect", url, extra={}) as bridge:
        answer = await initialize(bridge)
        assert answer["error"] == {
            "code": -32603,
            "message": "cannot use the remote server: cannot reach "
            f"{url!r}: Connection refused",
        }
        await bridge.close_input()
        assert await bridge.wait() == 0


async def initialize(bridge: StdioServer) -> dict[str, Any]:
    """Try to open a session, and give the answer."""
    params = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    request = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    await bridge.send(request)
    answer: dict[str, Any] = await bridge.receive()
    return answer


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        (["--connect", "nonsense"], {}),
        (["--connect", "ftp://a.example"], {}),
        (["--connect", "http://a.example", "--server", "conformance"], {}),
        (["--connect", "http://a.example", "--user", "ann"], {}),
        (["--connect", "http://a.example"], {"MCP_HEADERS": "nonsense"}),
        ([], {}),
    ],
)
async def test_wrong_options_end_the_command(
    options: list[str], extra: dict[str, str]
) -> None:
    """We chose it: with status 1; without `--connect` settings are needed."""
    async with running_stdio(*options, extra=extra) as bridge:
        assert await bridge.wait() == 1
        with pytest.raises(anyio.EndOfStream):
            await bridge.receive()


# The demo, which lets nobody in without a token --------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daphne, str]]:
    """Serve the demo; give it with a token of its reader."""
    folder = tmp_path_factory.mktemp("demo")
    extra = {
        "DEMO_DATABASE": str(folder / "site.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "demo_project.settings",
    }
    with running_daphne(
        folder,
        application="demo_project.asgi:application",
        settings="demo_project.settings",
        extra=extra,
    ) as daphne:
        manage = [sys.executable, "manage.py"]
        processes.run([*manage, "seed_demo"], extra)
        create = ["mcp_token", "create", "reader", "--name", "bridge"]
        printed, _ = processes.run([*manage, *create], extra)
        yield daphne, printed.splitlines()[-1]


def bridge_to(url: str, extra: Mapping[str, str]) -> StdioServerParameters:
    """Say how an outside client starts the bridge."""
    command, *arguments = STDIO
    arguments += ["--connect", url]
    environment = processes.environment(extra)
    return StdioServerParameters(
        command=command, args=arguments, env=environment, cwd=str(processes.ROOT)
    )


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_outside_client_drives_the_demo_through_the_bridge(
    mode: Any, demo: tuple[Daphne, str]
) -> None:
    """We promise it: as its user, by a token from the environment."""
    daphne, token = demo
    asked: list[str] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"days": 7})

    parameters = bridge_to(f"{daphne.url}/mcp", {"MCP_TOKEN": token})
    with anyio.fail_after(BOUND):
        async with Client(parameters, mode=mode, elicitation_callback=answer) as client:
            assert client.server_info is not None
            assert client.server_info.title == "Lending library"
            found = await client.call_tool("search_books", {"only_free": True})
            books: Any = found.structured_content
            book = (books["result"] if isinstance(books, dict) else books)[0]
            lent = await client.call_tool("borrow_book", {"isbn": book["isbn"]})
            [content] = lent.content
            assert isinstance(content, TextContent)
            assert content.text.startswith(f"Borrowed {book['title']}; it is due back")
            returned = await client.call_tool("return_book", {"isbn": book["isbn"]})
            assert not returned.is_error
    assert asked == [f"Borrow {book['title']}?"]


@pytest.mark.parametrize(
    "extra", [{}, {"MCP_TOKEN": "wrong"}, {"MCP_HEADERS": '{"Authorization": "no"}'}]
)
async def test_demo_lets_nobody_in_without_a_token(
    extra: dict[str, str], demo: tuple[Daphne, str]
) -> None:
    """We promise it: the client is told of the refusal."""
    with anyio.fail_after(BOUND):
        try:
            async with Client(bridge_to(f"{demo[0].url}/mcp", extra)):
                pytest.fail("it was let in")
        except (MCPError, BaseExceptionGroup) as error:
            refused = error
        while isinstance(refused, BaseExceptionGroup):
            refused = refused.exceptions[0]
        assert isinstance(refused, MCPError)
        assert "401 Unauthorized" in refused.error.message
