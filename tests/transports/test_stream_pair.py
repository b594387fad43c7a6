"""A pair of streams as a transport, and the official SDK at the other end of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage as OfficialMessage

from mcp_django import Client, ConnectFailed, RemoteProtocolError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import memory_transports
from mcp_django.transports.stream_pair import StreamPairTransport
from mcp_django.transports.streams import SessionMessage, open_streams
from tests import patience
from tests.transports.official_sdk import make_server, wrap
from tests.transports.witness import Witness

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})


class Pair:
    """The other end of a pair of streams, and whether it is open.

    Attributes:
        send: Gives the transport something to read.
        receive: Has what the transport wrote.
        log: What happened.
    """

    def __init__(self) -> None:
        self.send: MemoryObjectSendStream[Any]
        self.receive: MemoryObjectReceiveStream[Any]
        self.log: list[str] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Any, Any]]:
        self.log.append("entered")
        self.send, read = anyio.create_memory_object_stream[Any](1)
        write, self.receive = anyio.create_memory_object_stream[Any](1)
        async with self.send, read, write, self.receive:
            try:
                yield read, write
            finally:
                self.log.append("left")


@asynccontextmanager
async def started(
    transport: StreamPairTransport,
) -> AsyncIterator[Witness]:
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            yield witness
            await transport.close()


async def test_messages_go_both_ways() -> None:
    """Our choice: the inverse of `open_streams`."""
    pair = Pair()
    transport = StreamPairTransport(pair.open(), sender=Sender("alice"))
    async with started(transport) as witness:
        await transport.send(PING)
        assert await pair.receive.receive() == SessionMessage(PING)
        await pair.send.send(SessionMessage(PONG))
        assert await witness.until_messages(1) == [PONG]
        assert witness.senders == [Sender("alice")]
    assert witness.closed == 1
    assert pair.log == ["entered", "left"]


async def test_items_are_wrapped_and_unwrapped_as_the_other_end_wants() -> None:
    """Our choice: programs insist on items of their own classes."""
    pair = Pair()
    transport = StreamPairTransport(
        pair.open(), wrap=lambda message: ("to", message), unwrap=lambda item: item[1]
    )
    async with started(transport) as witness:
        await transport.send(PING)
        assert await pair.receive.receive() == ("to", PING)
        await pair.send.send(("from", PONG))
        assert await witness.until_messages(1) == [PONG]


async def test_exceptions_among_the_items_are_reported() -> None:
    """Our choice: the field's transports put their errors on the stream."""
    pair = Pair()
    async with started(StreamPairTransport(pair.open())) as witness:
        await pair.send.send(ValueError("no message"))
        await pair.send.send(SessionMessage(PING))
        await witness.until_messages(1)
    assert [str(error) for error in witness.errors] == ["no message"]


async def test_item_that_is_none_is_reported() -> None:
    """Our choice: what somebody else puts there does not end the transport."""
    pair = Pair()
    async with started(StreamPairTransport(pair.open())) as witness:
        await pair.send.send("nonsense")
        await pair.send.send(SessionMessage(PING))
        await witness.until_messages(1)
    [error] = witness.errors
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == "a message is a JSON object, not a string"


async def test_end_of_the_read_stream_closes() -> None:
    """Our choice: the peer is gone."""
    pair = Pair()
    transport = StreamPairTransport(pair.open())
    async with started(transport) as witness:
        await pair.send.aclose()
        await witness.until_closed()
        with pytest.raises(TransportClosed):
            await transport.send(PING)
    assert witness.closed == 1


async def test_write_stream_that_nobody_reads_is_closed() -> None:
    """Our choice: nothing was sent."""
    pair = Pair()
    transport = StreamPairTransport(pair.open())
    async with started(transport):
        await pair.receive.aclose()
        with pytest.raises(TransportClosed):
            await transport.send(PING)


async def test_streams_that_cannot_be_opened_are_no_connection() -> None:
    """Our choice: like every other transport."""

    @asynccontextmanager
    async def broken() -> AsyncIterator[Any]:
        raise OSError("no such thing")
        yield

    transport = StreamPairTransport(broken())
    with pytest.raises(ConnectFailed) as caught:
        async with Client(transport):
            pass
    assert str(caught.value) == "the streams cannot be opened: no such thing"


async def test_starting_can_be_cancelled() -> None:
    """Our choice: what was entered is left."""
    log: list[str] = []

    @asynccontextmanager
    async def slow() -> AsyncIterator[Any]:
        try:
            await anyio.sleep_forever()
            yield
        finally:
            log.append("left")

    transport = StreamPairTransport(slow())
    with anyio.move_on_after(0.05):
        async with Client(transport):
            pass
    assert log == ["left"]


async def test_whoever_is_told_of_a_message_may_close() -> None:
    """Our choice: such as when the user of a session is gone."""
    pair = Pair()
    transport = StreamPairTransport(pair.open())

    async def close(message: object, sender: Sender) -> None:
        await transport.close()

    async with started(transport) as witness:
        transport.on_message = close
        await pair.send.send(SessionMessage(PING))
        await witness.until_closed()
    assert pair.log == ["entered", "left"]


# The official SDK at the other end ----------------------------------------------------


@asynccontextmanager
async def official_streams() -> AsyncIterator[tuple[Any, Any]]:
    """Run the SDK's server, and give the client's end of the SDK's own streams."""
    server = make_server()
    async with (
        create_client_server_memory_streams() as (client_streams, server_streams),
        anyio.create_task_group() as tasks,
    ):
        options = server.create_initialization_options()
        tasks.start_soon(server.run, *server_streams, options)
        yield client_streams
        tasks.cancel_scope.cancel()


async def accept(form: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"sure": True})


@pytest.mark.parametrize("version", [None, "2025-11-25"])
async def test_our_client_uses_the_official_server_over_official_streams(
    version: str | None,
) -> None:
    """Our choice: two thirds of the connection know nothing of us."""
    transport = StreamPairTransport(official_streams(), wrap=OfficialMessage)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(transport, version=version, on_elicit=accept) as client:
            called = await client.call_tool("add", {"a": 1, "b": 2})
            assert called.content == [types.TextContent(text="3")]
            if version is not None:
                called = await client.call_tool("ask")
                assert called.content == [types.TextContent(text="accept")]


@pytest.mark.parametrize("version", [None, "2025-11-25"])
async def test_our_client_uses_the_official_server_over_our_transport(
    version: str | None,
) -> None:
    """Our choice: the SDK's server over ours, and our client at the other end."""
    client_end, server_end = memory_transports(client=Sender("alice"))
    server = make_server()

    async def serve() -> None:
        async with open_streams(server_end, wrap=wrap) as (read, write):
            await server.run(read, write, server.create_initialization_options())

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            async with Client(client_end, version=version) as client:
                called = await client.call_tool("who")
                assert called.content == [types.TextContent(text="alice")]
