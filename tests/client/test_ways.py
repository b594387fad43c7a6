"""Several ways to a server, of which one may be the right one."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.client.answers import Answers
from mcp_django.client.client import Client
from mcp_django.client.connecting import Way
from mcp_django.client.connection import Connection, Patience
from mcp_django.client.reconnecting import ReconnectingConnection
from mcp_django.exceptions import ConnectFailed, HTTPRefused
from mcp_django.protocol.client import ClientProtocol
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Transport
from tests.client.scripted import (
    LATEST,
    LATEST_LEGACY,
    LEGACY,
    Refusal,
    ScriptedServer,
)


class Unreachable(Transport):
    """Connects with nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def start(self, tasks: TaskGroup) -> None:
        raise self._error

    async def send(self, message: Message) -> None:
        raise AssertionError("never opened")

    async def close(self) -> None:
        self.on_close()


class Refusing(Transport):
    """Lets no request pass."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self._status = status

    async def start(self, tasks: TaskGroup) -> None:
        pass

    async def send(self, message: Message) -> None:
        if isinstance(message, JSONRPCRequest):
            self.on_error(HTTPRefused("no", status=self._status, request_id=message.id))

    async def close(self) -> None:
        self.on_close()


async def opened(
    tasks: TaskGroup,
    first: Transport,
    server: ScriptedServer | Transport,
    *,
    version: str | None,
) -> ReconnectingConnection:
    """Connect in one of two ways, the second of which is for the legacy era."""
    if isinstance(server, ScriptedServer):
        await server.start(tasks)
    second = server if isinstance(server, Transport) else server.transport

    async def restore(connection: Connection) -> None:
        pass

    connection = ReconnectingConnection(
        [Way(lambda: first), Way(lambda: second, is_modern=False)],
        ClientProtocol(
            Implementation(name="client", version="1"), ClientCapabilities()
        ),
        Answers(),
        wanted=version,
        patience=Patience(5.0, 5.0),
        probe_seconds=5.0,
        on_notified=lambda method, params: None,
        on_opened=restore,
    )
    await connection.open(tasks)
    return connection


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_other_way_is_tried_if_the_first_is_none(status: int) -> None:
    """Spec: 2025-11-25 basic/transports, "Backwards Compatibility"."""
    server = ScriptedServer(LEGACY)
    async with anyio.create_task_group() as tasks:
        connection = await opened(tasks, Refusing(status), server, version=None)
        assert connection.found.version == LATEST_LEGACY
        # In the old way there is nothing modern to be found.
        assert server.methods[0] == "initialize"
        await connection.close()
        await server.until_closed()


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_other_way_is_not_tried_for_other_reasons(status: int) -> None:
    """Our choice: it is the same server, and would refuse as well."""
    server = ScriptedServer(LEGACY)
    async with anyio.create_task_group() as tasks:
        with pytest.raises(HTTPRefused) as caught:
            await opened(tasks, Refusing(status), server, version=None)
        assert caught.value.status == status
        assert server.received == []
        tasks.cancel_scope.cancel()
    await server.transport.close()


async def test_modern_version_is_not_spoken_in_the_old_way() -> None:
    """Our choice: what was refused counts."""
    server = ScriptedServer(LEGACY)
    async with anyio.create_task_group() as tasks:
        with pytest.raises(HTTPRefused):
            await opened(tasks, Refusing(404), server, version=LATEST)
        assert server.received == []
        tasks.cancel_scope.cancel()
    await server.transport.close()


async def test_first_failure_is_told_if_no_way_works() -> None:
    """Our choice: the first way is the one that most servers have."""
    server = ScriptedServer({"initialize": Refusal(-32603, "busy")})
    async with anyio.create_task_group() as tasks:
        with pytest.raises(HTTPRefused):
            await opened(tasks, Refusing(404), server, version=None)
        await server.until_closed()
        assert server.methods == ["initialize"]


async def test_failure_that_says_more_is_told() -> None:
    """Our choice: such as that a stream names an endpoint of another origin."""
    failure = ConnectFailed("it names an endpoint of another origin")
    async with anyio.create_task_group() as tasks:
        with pytest.raises(ConnectFailed) as caught:
            await opened(tasks, Refusing(405), Unreachable(failure), version=None)
    assert caught.value is failure
    assert isinstance(failure.__cause__, HTTPRefused)


@pytest.mark.parametrize(
    "error", [ConnectFailed("nobody answers at 'x'"), OSError("no cable")]
)
async def test_failure_to_connect_comes_out_as_it_is(error: Exception) -> None:
    """Our choice: transports say why, and callers see that."""
    with pytest.raises(type(error)) as caught:
        async with Client(lambda: Unreachable(error)):
            raise AssertionError("it connects")
    assert caught.value is error
