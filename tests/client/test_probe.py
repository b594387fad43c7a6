"""Servers that end when they are asked what they speak, because they are too old."""

from __future__ import annotations

import json
from functools import partial

import anyio
import httpx2
import pytest

from mcp_django.client.client import Client
from mcp_django.exceptions import TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.transports.client.sse import SSEClientTransport
from mcp_django.transports.client.stdio import StdioClientTransport
from mcp_django.transports.client.streamable_http import StreamableHTTPClientTransport
from mcp_django.transports.client.websocket import WebSocketClientTransport
from tests.client.scripted import (
    LATEST,
    LATEST_LEGACY,
    LEGACY,
    Refusal,
    Script,
    ScriptedServers,
    beside,
    serving,
)
from tests.patience import PATIENCE_SECONDS
from tests.transports.http_servers import (
    JSON,
    FakeServer,
    Stream,
    answer_json,
    answer_stream,
    event_of,
    legacy_server,
    opening,
)
from tests.transports.programs import server as program
from tests.transports.websocket_peer import Peer
from tests.transports.websocket_peer import listening as websockets_listening

DISCOVER = "server/discover"
LEGACY_TALK = ["initialize", "notifications/initialized"]


@pytest.mark.parametrize("first", [{}, {DISCOVER: Refusal(-32601)}])
async def test_server_that_ends_when_asked_is_opened_again_and_initialized(
    first: Script,
) -> None:
    """Our choice: at the question, or right behind an answer that is none."""
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(tasks, first, LEGACY)

        async def version() -> str:
            async with Client(servers) as client:
                return client.version

        async with beside(version) as opened:
            server = await servers.until_made(1)
            await server.expect("initialize" if first else DISCOVER)
            await server.close()
        assert opened.result() == LATEST_LEGACY
        assert servers.made[1].methods == LEGACY_TALK
        tasks.cancel_scope.cancel()


async def test_server_that_ends_in_any_case_is_opened_twice_at_most() -> None:
    """Our choice: there is nothing else to be tried."""
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(tasks, {})

        async def open_it() -> None:
            async with Client(servers):
                raise AssertionError("it connects")

        async with beside(open_it) as opened:
            for number, method in enumerate([DISCOVER, "initialize"]):
                server = await servers.until_made(number + 1)
                await server.expect(method)
                await server.close()
        assert isinstance(opened.error, TransportClosed)
        assert len(servers.made) == 2
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("version", [LATEST, LATEST_LEGACY])
async def test_server_of_the_one_version_to_speak_is_opened_once(version: str) -> None:
    """Our choice: no other version will do."""
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(tasks, {})

        async def open_it() -> None:
            async with Client(servers, version=version):
                raise AssertionError("it connects")

        async with beside(open_it) as opened:
            await (await servers.until_made(1)).close()
        assert isinstance(opened.error, TransportClosed)
        assert len(servers.made) == 1
        tasks.cancel_scope.cancel()


async def test_transport_that_cannot_be_made_again_says_what_to_pass() -> None:
    """Our choice: it is started once, so that nothing else can be tried."""
    async with serving({}) as server:
        await server.close()
        with pytest.raises(TransportClosed) as caught:
            async with Client(server.transport):
                raise AssertionError("it connects")
        assert str(caught.value) == (
            "the connection with the server has ended; if it is a server that ends "
            "when it is asked what it speaks, pass what makes a transport, or the "
            "version that it speaks, such as version='2024-11-05'"
        )


# Over each kind of connection ---------------------------------------------------------

OLD = """
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "initialize":
        result = {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "serverInfo": {"name": "old", "version": "1"},
        }
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        print(json.dumps(answer), flush=True)
    elif message["method"] == "server/discover":
"""
ENDINGS = {
    "exits": "sys.exit(1)",
    "exits with the next line": "sys.stdin.readline(); sys.exit(1)",
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "closes its output, and reads on": "os.close(1); sys.stdin.read()",
    "closes its output, and lives on": "os.close(1); wait_for_ever()",
    "closes its output, and cannot be told to end": (
        "os.close(1); signal.signal(signal.SIGTERM, signal.SIG_IGN); wait_for_ever()"
    ),
    "closes both pipes, and lives on": "os.close(0); os.close(1); wait_for_ever()",
    "writes a traceback where messages go, and exits": (
        "print('Traceback (most recent call last):', flush=True); sys.exit(1)"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
async def test_program_that_ends_when_asked_is_started_again(ending: str) -> None:
    """Our choice; the official Python SDK 1.2 to 1.8 exits with the next line."""
    started: list[StdioClientTransport] = []

    def make() -> StdioClientTransport:
        started.append(program(f"{OLD}        {ending}", exit_seconds=0.2))
        return started[-1]

    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(make, probe_timeout=2.0) as client:
            assert client.version == "2024-11-05"
            first, _ = started
            assert first.exit_status is not None


def _reset(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadError("reset")


def _hang_up(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")


HTTP_ENDINGS = {
    "resets the connection": _reset,
    "hangs up": _hang_up,
    "ends the stream": lambda request: answer_stream(b""),
    "breaks off the stream": lambda request: answer_stream(_broken()),
    "knows no such thing": lambda request: httpx2.Response(501),
    "falls over": lambda request: httpx2.Response(500, html="<h1>Server Error</h1>"),
    "is gone behind its proxy": lambda request: httpx2.Response(502),
    "takes it for a notification": lambda request: httpx2.Response(202),
    "has no content": lambda request: httpx2.Response(204),
    "has an empty answer": lambda request: httpx2.Response(200, headers=JSON),
    "has a page for it": lambda request: httpx2.Response(200, html="<h1>Hello</h1>"),
    "has no JSON-RPC for it": lambda request: httpx2.Response(200, json={"ok": True}),
    "answers something else": lambda request: answer_json(opening()),
    "breaks off its answer": lambda request: httpx2.Response(
        200, headers=JSON, stream=_broken()
    ),
    "has nonsense on its stream": lambda request: answer_stream(b"data: what?\n\n"),
}


def _broken() -> Stream:
    stream = Stream()
    stream.break_off()
    return stream


def http_server(ending: str) -> FakeServer:
    """Make a server that has no answer if it is asked what it speaks."""

    def open_session(request: httpx2.Request) -> httpx2.Response:
        result = opening()
        return answer_json(
            result.model_copy(update={"id": json.loads(request.content)["id"]})
        )

    return legacy_server({DISCOVER: HTTP_ENDINGS[ending], "initialize": open_session})


@pytest.mark.parametrize("ending", HTTP_ENDINGS)
async def test_http_server_that_answers_nothing_useful_is_initialized(
    ending: str,
) -> None:
    """Our choice: the question itself may be why."""
    server = http_server(ending)
    make = partial(
        StreamableHTTPClientTransport, "http://old.example/mcp", http=server.client()
    )
    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(make) as client:
            assert client.version == LATEST_LEGACY
    assert server.seen[:2] == [DISCOVER, "initialize"]


@pytest.mark.parametrize("status", [400, 405, 500, 502])
async def test_server_of_http_with_sse_that_refuses_the_question_is_initialized(
    status: int,
) -> None:
    """Our choice: as over the newer transport, if a client is told to ask there."""
    events = Stream(b"event: endpoint\ndata: /messages\n\n")
    heard: list[str] = []

    def take(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return answer_stream(events)
        message = json.loads(request.content)
        heard.append(message["method"])
        if message["method"] == DISCOVER:
            return httpx2.Response(status)
        if message["method"] == "initialize":
            result = opening().model_copy(update={"id": message["id"]})
            events.write(event_of(result))
        return httpx2.Response(202)

    http = FakeServer(take).client()
    make = partial(SSEClientTransport, "http://old.example/sse", http=http)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(make) as client:
            assert client.version == LATEST_LEGACY
    assert heard == [DISCOVER, *LEGACY_TALK]


async def test_websocket_that_is_closed_by_the_question_is_opened_again() -> None:
    """Our choice: over the next one, the server is initialized."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        message = json.loads(await peer.text())
        if message["method"] == "initialize":
            answer = opening().model_copy(update={"id": message["id"]})
            await peer.send_text(jsonrpc.serialize(answer))
            await peer.until_gone()

    async with websockets_listening(serve) as url:

        def make() -> WebSocketClientTransport:
            return WebSocketClientTransport(url)

        with anyio.fail_after(PATIENCE_SECONDS):
            async with Client(make) as client:
                assert client.version == LATEST_LEGACY
