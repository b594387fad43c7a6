"""The bridge when one of its ends fails, or leaves."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcp_django.bridge.bridge import bridge
from mcp_django.exceptions import ConnectFailed, HTTPRefused
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.memory import MemoryTransport, memory_transports
from tests.bridge.bridges import (
    BOUND,
    ERAS,
    Era,
    RawServer,
    raw_client,
    raw_pair,
)
from tests.client import virtual_time
from tests.client.scripted import MODERN, ScriptedServers, beside
from tests.fault_lines import more, said
from tests.interaction import features

CALL = {"name": "double", "arguments": {"number": 1}}
TEXT = {"content": [{"type": "text", "text": "done"}]}


@pytest.fixture
def anyio_backend(anyio_backend: str) -> tuple[str, dict[str, Any]]:
    """Give event loops whose clocks jump."""
    return anyio_backend, virtual_time.BACKENDS[anyio_backend]()


class NoTransport(Transport):
    """A transport that never opens."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def start(self, tasks: TaskGroup) -> None:
        """Fail, after a second."""
        await anyio.sleep(1)
        raise self._error

    async def send(self, message: Message) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class Entrance:
    """A target that does not work at first.

    Attributes:
        attempts: How often the bridge tried.
        target: What works; None as long as nothing does.
    """

    def __init__(self, error: Exception) -> None:
        self.attempts = 0
        self.target: RawServer | None = None
        self._error = error

    def __call__(self) -> Transport:
        """Make a transport."""
        self.attempts += 1
        return NoTransport(self._error) if self.target is None else self.target()


REFUSED = ConnectFailed("cannot connect to 'http://127.0.0.1:9/mcp': refused")


# The server --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [REFUSED, HTTPRefused("401 Unauthorized; pass token=", status=401)]
)
async def test_client_is_told_why_the_server_cannot_be_used(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the program goes on, so that its user reads the reason."""
    async with raw_client(Entrance(error)) as client:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        for method, asked in (
            ("initialize", params),
            ("server/discover", client.modern()),
            ("tools/list", client.modern()),
        ):
            refused = await client.error_of(method, asked)
            assert refused.code == INTERNAL_ERROR
            assert refused.message == f"cannot use the remote server: {error}"
        assert await client.call("ping") == {}
    line = f"cannot use the remote server; the next request tries again: {error}"
    said(caplog)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r.getMessage() for r in warnings] == [line, line + more(2)]


async def test_next_request_tries_again_when_the_server_was_not_there() -> None:
    """Chosen: a server may be started later than the program that uses it."""
    entrance = Entrance(REFUSED)
    async with anyio.create_task_group() as tasks, raw_client(entrance) as client:
        await client.error_of("tools/list", client.modern())
        entrance.target = RawServer("legacy", tasks)
        opened = await client.initialize()
        assert opened["serverInfo"] == {"name": "played", "version": "2.0"}
        await entrance.target.ends[0].close()


async def test_modern_server_that_ends_for_being_initialized_is_opened_again() -> None:
    """Our choice: as the other way round, see `tests/client/test_probe.py`."""
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(tasks, {}, MODERN)
        async with raw_client(servers) as client, beside(client.initialize) as opened:
            server = await servers.until_made(1)
            await server.expect("initialize")
            await server.close()
        assert opened.result()["serverInfo"] == {"name": "shop", "version": "1.0"}
        assert servers.made[1].methods[0] == "server/discover"
        tasks.cancel_scope.cancel()


async def test_requests_that_come_together_share_one_attempt() -> None:
    """Chosen: else each of them would wait for all before it."""
    entrance = Entrance(REFUSED)
    async with raw_client(entrance) as client:
        ids = [await client.request("tools/list", client.modern()) for _ in range(5)]
        await client.notify("notifications/cancelled", {"requestId": ids[0]})
        for id in ids[1:]:
            assert isinstance(await client.answer_to(id), JSONRPCError)
    assert entrance.attempts == 1


@pytest.mark.parametrize("server_era", ERAS)
@pytest.mark.parametrize("client_era", ERAS)
async def test_request_that_the_server_dies_with_gets_an_error_and_the_next_a_new_one(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: it may have been carried out, and is not sent twice."""
    async with raw_pair(server_era=server_era) as (client, played):
        params: dict[str, Any] = {"name": "go"}
        if client_era == "legacy":
            await client.initialize()
        else:
            params = client.modern(params)
        id = await client.request("tools/call", params)
        await played.request("tools/call")
        await played.ends[0].close()
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert answer.error.code == INTERNAL_ERROR
        assert "the connection with the server has ended" in answer.error.message
        id = await client.request("tools/call", params)
        await played.reply(await played.request("tools/call"), TEXT)
        assert isinstance(await client.answer_to(id), JSONRPCResponse)
        assert len(played.ends) == 2


async def test_new_session_has_what_was_set_in_the_last_one() -> None:
    """Chosen: the client does not know that there is another one."""
    capabilities = {"logging": {}, "resources": {"subscribe": True}}
    async with raw_pair(server_era="legacy", capabilities=capabilities) as (
        client,
        played,
    ):
        await client.initialize()
        steps = [
            ("logging/setLevel", {"level": "error"}),
            ("resources/subscribe", {"uri": "test://a"}),
            ("resources/subscribe", {"uri": "test://b"}),
            ("resources/unsubscribe", {"uri": "test://b"}),
        ]
        for method, params in steps:
            id = await client.request(method, params)
            request = await played.request(method)
            assert request.params == params
            await played.reply(request, {})
            await client.answer_to(id)
        await played.ends[0].close()
        await client.request("tools/list")
        request = await played.request("resources/subscribe")
        assert request.params == {"uri": "test://a"}
        # What cannot be restored holds up nothing.
        await played.send(jsonrpc.error(request.id, -32002, "gone"))
        request = await played.request("logging/setLevel")
        assert request.params == {"level": "error"}
        await played.reply(request, {})
        await played.request("tools/list")


async def test_answer_that_is_no_result_is_an_error() -> None:
    """Chosen: whose fault it is can be read."""
    async with raw_pair(server_era="modern") as (client, played):
        await client.initialize()
        id = await client.request("tools/list")
        request = await played.request("tools/list")
        await played.reply(request, {"resultType": "input_required"})
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert "result of type 'input_required'" in answer.error.message


class BrokenTransport(MemoryTransport):
    """A transport that raises what none must, when a tool is called."""

    async def send(self, message: Message) -> None:
        """Send anything else."""
        if isinstance(message, JSONRPCRequest) and message.method == "tools/call":
            raise LookupError("the secret reason")
        await super().send(message)


async def test_unexpected_failure_is_logged_and_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1: -32603; custom transports may raise anything."""
    to_server, at_server = anyio.create_memory_object_stream[bytes](16)
    to_client, at_client = anyio.create_memory_object_stream[bytes](16)
    far_end = BrokenTransport(at_client, to_server, sender=Sender())
    server_end = MemoryTransport(at_server, to_client, sender=Sender())

    async with anyio.create_task_group() as tasks:
        Session(features.server, server_end, tasks)
        await server_end.start(tasks)
        async with raw_client(far_end) as client:
            error = await client.error_of("tools/call", client.modern(CALL))
            assert (error.code, error.message) == (INTERNAL_ERROR, "Internal error")
            assert await client.call("ping") == {}
        tasks.cancel_scope.cancel()
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_wrong_target_is_refused_at_once() -> None:
    """Chosen: the command says so, before there is a client."""
    near_end, client_end = memory_transports()
    with pytest.raises(ValueError, match="its scheme is 'gopher'"):
        await bridge(client_end, "gopher://a.example")
    for end in (near_end, client_end):
        await end.close()


# The client --------------------------------------------------------------------------


async def test_connection_with_the_server_is_closed_when_the_client_has_gone() -> None:
    """Chosen: within two seconds, whatever is under way."""
    is_closed = anyio.Event()
    async with anyio.create_task_group() as tasks:
        played = RawServer("legacy", tasks)
        async with raw_client(played) as client:
            await client.initialize()
            played.ends[0].on_close = is_closed.set
            await client.request("tools/call", client.modern({"name": "go"}))
            await played.request("tools/call")
            await played.ask("q", "elicitation/create", {"message": "Who?"})
            began = anyio.current_time()
        with anyio.fail_after(BOUND):
            await is_closed.wait()
        assert anyio.current_time() - began < 2


async def test_client_that_leaves_while_the_server_is_being_connected() -> None:
    """Chosen: the client waits for that no more."""
    async with raw_client(Entrance(REFUSED)) as client:
        await client.request("tools/list", client.modern())
        began = anyio.current_time()
    assert anyio.current_time() - began < 1


async def test_ping_is_answered_while_the_server_is_being_connected() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization": pings may come before."""
    async with raw_client(Entrance(REFUSED)) as client:
        await client.request(
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "x", "version": "1"},
            },
        )
        began = anyio.current_time()
        assert await client.call("ping") == {}
        assert anyio.current_time() == began
