"""How a client ends: by itself, by an exception, by cancellation."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mcp_django.client.client import Client
from mcp_django.exceptions import LocalProtocolError, TransportClosed
from tests.client.scripted import (
    LEGACY,
    MODERN,
    Script,
    ScriptedServer,
    beside,
    serving,
)

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)


class Stop(BaseException):
    """What is no `Exception`, like `KeyboardInterrupt`."""


@in_both_eras
@pytest.mark.parametrize("error", [KeyError("oops"), ExceptionGroup("g", [KeyError()])])
async def test_exception_of_the_block_comes_out_as_it_is(
    script: Script, error: Exception
) -> None:
    """Our choice: callers catch what they raise, and no group of one."""
    async with serving(script) as server:
        with pytest.raises(type(error)) as caught:
            async with Client(server.transport):
                raise error
        assert caught.value is error
        await server.until_closed()


async def test_interruption_of_the_block_comes_out_as_it_is() -> None:
    """Our choice: Ctrl-C and `sys.exit` end a program as they do elsewhere."""
    stop, caught = Stop(), []
    async with serving(MODERN) as server:
        try:
            async with Client(server.transport):
                raise stop
        except Stop as error:
            caught.append(error)
        await server.until_closed()
    assert caught == [stop]


@in_both_eras
async def test_cancelled_block_is_left(script: Script) -> None:
    """Our choice: cancellation goes on to whoever cancelled."""
    async with serving(script) as server:
        with anyio.CancelScope() as scope:
            async with Client(server.transport):
                scope.cancel()
                await anyio.sleep_forever()
            raise AssertionError("cancellation is swallowed")
        assert scope.cancelled_caught
        await server.until_closed()


async def test_cancelled_connecting_is_left() -> None:
    """Our choice: whatever was opened is closed."""
    async with serving({}) as server:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Client(server.transport).__aenter__)
                await server.expect("server/discover")
                scope.cancel()
        assert scope.cancelled_caught
        await server.until_closed()


@in_both_eras
async def test_requests_that_wait_fail_at_the_end(script: Script) -> None:
    """Our choice: nothing waits for a client that is closed."""
    async with serving(script) as server:
        client, is_open = Client(server.transport), anyio.Event()

        async def request() -> None:
            await is_open.wait()
            await client.request("acme/x")

        async with beside(request) as call, client:
            is_open.set()
            await server.expect("acme/x")
        assert isinstance(call.error, TransportClosed)


async def test_closed_client_sends_nothing() -> None:
    """Our choice: closing twice does nothing more."""
    async with serving(MODERN) as server:
        async with Client(server.transport) as client:
            pass
        assert await client.__aexit__(None, None, None) is None
        with pytest.raises(TransportClosed, match="the client is closed"):
            await client.request("acme/x")
        with pytest.raises(LocalProtocolError, match="cannot listen"):
            client.listen(tools=True)


USES: list[Callable[[Client], Any]] = [
    lambda client: client.request("acme/x"),
    lambda client: client.list_tools(),
    lambda client: client.ping(),
    lambda client: client.set_log_level("info"),
]


@pytest.mark.parametrize("use", USES)
async def test_client_that_is_not_open_cannot_be_used(use: Any) -> None:
    """Our choice: the text says how to open it; nothing is left behind."""
    server = ScriptedServer(MODERN)
    client = Client(server.transport)
    with pytest.raises(LocalProtocolError) as caught:
        await use(client)
    assert str(caught.value) == (
        "the client is not connected; use it within `async with` or `with`"
    )
    with pytest.raises(LocalProtocolError):
        _ = client.version
    del client
    gc.collect()
    await server.transport.close()
    await server.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncio_may_cancel_requests_and_blocks_in_its_own_way(
    anyio_backend: str,
) -> None:
    """Our choice: `asyncio.timeout` works as everywhere."""
    async with serving(MODERN) as server:

        async def use() -> None:
            async with Client(server.transport) as client:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.request("acme/x"), 0.05)
                await server.expect_notified("notifications/cancelled")
                await client.request("acme/y")

        task = asyncio.create_task(use())
        await server.expect("acme/y")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until_closed()
        assert server.methods.count("notifications/cancelled") == 2
