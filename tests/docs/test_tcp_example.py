"""The page's network protocol: frames over TCP, from both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import mcp_types as types
import pytest
from anyio.abc import SocketAttribute, SocketStream
from django.contrib.auth.models import User
from mcp import ClientSession
from mcp.shared.message import SessionMessage

from mcp_django import Client, ConnectFailed, MessageTooLarge, TransportClosed
from mcp_django.client.connecting import MakeTransport
from mcp_django.protocol import jsonrpc
from mcp_django.sessions import serve
from mcp_django.transports.base import Transport
from mcp_django.transports.streams import open_streams
from tests.docs.conftest import Import
from tests.docs.scenario import (
    PATIENCE_SECONDS,
    PING,
    accept,
    assert_can_everything,
    assert_hears_of_changes,
    each_era,
    on_asyncio,
    text_of,
)
from tests.docs.shop import server
from tests.live.redis import free_port
from tests.transports.official_sdk import make_server
from tests.transports.witness import Witness

LARGE = jsonrpc.request(2, "large", {"text": "x" * 1_000_000})


@asynccontextmanager
async def frame_server(
    shown: Import, port: int | None = None
) -> AsyncIterator[MakeTransport]:
    """Serve on a port as the page does."""
    port = free_port() if port is None else port
    listen = shown("shop.serve_tcp").listen
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, port, User(username="ada"))
        with anyio.fail_after(PATIENCE_SECONDS):
            while not await is_listened_to(port):
                await anyio.lowlevel.checkpoint()
        yield frame_client(shown, port)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def frame_listener(
    shown: Import, answer: Callable[[SocketStream], Any]
) -> AsyncIterator[MakeTransport]:
    """Answer connections to a port in another way."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        port = listener.extra(SocketAttribute.local_port)
        yield frame_client(shown, port)
        tasks.cancel_scope.cancel()


def frame_client(shown: Import, port: int) -> MakeTransport:
    client: Callable[..., Transport] = shown("shop.tcp").TCPClientTransport
    return partial(client, "127.0.0.1", port)


async def is_listened_to(port: int) -> bool:
    """Say whether connections to a port are taken."""
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


@each_era
async def test_frames_carry_everything(shown: Import, version: str) -> None:
    """Our choice: in both eras, on both event loops."""
    async with frame_server(shown) as make:
        await assert_can_everything(make, version)


@on_asyncio
@each_era
async def test_frames_tell_of_changes(shown: Import, version: str) -> None:
    """Our choice: as every connection does."""
    async with frame_server(shown) as make:
        await assert_hears_of_changes(make, version)


async def test_client_of_the_page_asks_the_server_of_the_page(shown: Import) -> None:
    """Our choice: both can be pasted."""
    port = free_port()
    async with frame_server(shown, port):
        assert await shown("shop.ask_tcp").add(port) == "3"


async def test_frames_name_the_user(shown: Import) -> None:
    """Our choice: whoever serves says whom the client works as."""
    async with frame_server(shown) as make, Client(make) as client:
        assert text_of(await client.call_tool("who")) == "ada"


async def test_port_that_nobody_listens_to_is_no_connection(shown: Import) -> None:
    """Our choice: the client says so at once."""
    with pytest.raises(ConnectFailed, match=r"^127\.0\.0\.1:\d+: "):
        async with Client(frame_client(shown, free_port())):
            pass


async def test_lost_connection_of_frames_is_opened_anew(shown: Import) -> None:
    """Our choice: who gives the client what makes a transport gets that."""
    streams: list[SocketStream] = []
    frames: Any = shown("shop.tcp")

    async def answer(stream: SocketStream) -> None:
        streams.append(stream)
        await serve(server, frames.TCPTransport(stream))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with frame_listener(shown, answer) as make, Client(make) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(assert_fails, client)
                await until_begun(client)
                await streams[0].aclose()
            assert text_of(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
    assert len(streams) == 2


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"\xff\xff\xff\xff{", "a frame of 4294967295 bytes is too large"),
        (b"\x00\x00\x00\x10{", None),
    ],
    ids=["too large", "broken off"],
)
async def test_frames_that_are_none_end_the_connection(
    shown: Import, sent: bytes, why: str | None
) -> None:
    """Our choice: with bounded memory, and at once."""
    frames: Any = shown("shop.tcp")
    witnesses: list[Witness] = []
    is_over = anyio.Event()

    async def answer(stream: SocketStream) -> None:
        transport = frames.TCPTransport(stream)
        witnesses.append(Witness(transport))
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
        is_over.set()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, answer)
            port = listener.extra(SocketAttribute.local_port)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(sent)
                await stream.send_eof()
                await is_over.wait()
            tasks.cancel_scope.cancel()
    [witness] = witnesses
    assert witness.closed == 1
    assert [str(error) for error in witness.errors] == ([why] if why else [])


async def test_frame_that_is_no_message_is_answered(shown: Import) -> None:
    """Spec: JSON-RPC 2.0, section 5.1."""
    frames: Any = shown("shop.tcp")

    async def answer(stream: SocketStream) -> None:
        await serve(server, frames.TCPTransport(stream))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, answer)
            port = listener.extra(SocketAttribute.local_port)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"\x00\x00\x00\x02{}")
                assert b'"code":-32600' in await stream.receive()
            tasks.cancel_scope.cancel()


async def test_message_too_large_for_a_frame_is_refused(shown: Import) -> None:
    """Our choice: by whoever sends it, and the connection goes on."""
    async with frame_server(shown) as make:
        transport = make()
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            with pytest.raises(MessageTooLarge):
                await transport.send(jsonrpc.request(1, "x" * 5 * 1024 * 1024, None))
            await transport.send(PING)
            await transport.close()
            await transport.close()
            with pytest.raises(TransportClosed):
                await transport.send(PING)


async def test_cancelled_senders_do_not_cut_frames_short(shown: Import) -> None:
    """Our choice: the next frame would be spoilt. Only the end interrupts one."""
    frames: Any = shown("shop.tcp")
    received = bytearray()
    may_read, has_read = anyio.Event(), anyio.Event()

    async def answer(stream: SocketStream) -> None:
        async with stream:
            await may_read.wait()
            async for data in stream:
                received.extend(data)
        has_read.set()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with frame_listener(shown, answer) as make:
            transport = make()
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                async with anyio.create_task_group() as senders:
                    senders.start_soon(send_on, transport)
                    await anyio.wait_all_tasks_blocked()
                    senders.cancel_scope.cancel()
                    may_read.set()
                await transport.send(PING)
                await transport.close()
            await has_read.wait()
    messages = []
    while received:
        end = frames.LENGTH.size + frames.LENGTH.unpack_from(received)[0]
        messages.append(jsonrpc.parse(bytes(received[frames.LENGTH.size : end])))
        del received[:end]
    assert messages[-1] == PING
    assert set(map(repr, messages[:-1])) == {repr(LARGE)}


async def test_frame_that_nobody_reads_does_not_hold_up_the_end(shown: Import) -> None:
    """Our choice: `close` interrupts what nothing else does."""
    is_over = anyio.Event()

    async def answer(stream: SocketStream) -> None:
        async with stream:
            await is_over.wait()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with frame_listener(shown, answer) as make:
            transport = make()
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                tasks.start_soon(assert_is_closed_while_sending, transport)
                await anyio.wait_all_tasks_blocked()
                await transport.close()
            is_over.set()


async def assert_is_closed_while_sending(transport: Transport) -> None:
    with pytest.raises(TransportClosed):
        await send_on(transport)


async def send_on(transport: Transport) -> None:
    """Send more than all the buffers of the system take."""
    while True:
        await transport.send(LARGE)


async def assert_fails(client: Client) -> None:
    """Make a call whose connection is lost."""
    with pytest.raises(TransportClosed):
        await client.call_tool("wait")


async def until_begun(client: Client) -> None:
    """Return when the server has taken what was sent before."""
    await anyio.wait_all_tasks_blocked()
    await client.call_tool("add", {"a": 1, "b": 1})


async def test_official_client_uses_our_server_over_frames(shown: Import) -> None:
    """Our choice: whatever carries messages carries those of others."""

    async def confirm(context: Any, params: Any) -> types.ElicitResult:
        return accept(params)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            frame_server(shown) as make,
            open_streams(make()) as (read, write),
            ClientSession(read, write, elicitation_callback=confirm) as session,
        ):
            opened = await session.initialize()
            assert opened.server_info.name == "shop"
            assert text_of(await session.call_tool("ship")) == "accept"


@each_era
async def test_our_client_uses_the_official_server_over_frames(
    shown: Import, version: str
) -> None:
    """Our choice: the same the other way round."""
    frames: Any = shown("shop.tcp")
    official = make_server()

    async def answer(stream: SocketStream) -> None:
        async with open_streams(
            frames.TCPTransport(stream),
            wrap=lambda message, sender: SessionMessage(message),
        ) as (read, write):
            await official.run(read, write, official.create_initialization_options())

    with anyio.fail_after(PATIENCE_SECONDS):
        async with (
            frame_listener(shown, answer) as make,
            Client(make, version=version, on_elicit=accept) as client,
        ):
            assert text_of(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
