"""Servers driven as the field's page on transports drives them: by pairs of streams.

The page is `docs/concepts/transports` of the specification's site, until 2025-06-18.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from django.contrib.auth.models import User
from mcp import ClientSession
from mcp_types import JSONRPCMessage, TextContent

from mcp_django import Client, Context, Server
from mcp_django.protocol import jsonrpc
from mcp_django.transports.memory import memory_transports
from mcp_django.transports.streams import SessionMessage, open_streams
from tests.patience import PATIENCE_SECONDS

INITIALIZE = jsonrpc.request(
    1,
    "initialize",
    {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "page", "version": "1"},
    },
)
INITIALIZED = jsonrpc.notification("notifications/initialized")
CALL = jsonrpc.request(2, "tools/call", {"name": "who", "arguments": {}})


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop to run an async test on."""
    backend: str = request.param
    return backend


@pytest.fixture
def server() -> Server:
    """Give a server that says who asks."""
    server = Server("shop")

    @server.tool
    async def who(context: Context) -> str:
        return context.user.get_username() or "nobody"

    @server.tool
    async def slowly() -> str:
        await anyio.sleep(0.05)
        return "done"

    return server


@asynccontextmanager
async def streams() -> AsyncIterator[tuple[Any, Any, Any, Any]]:
    """Make two pairs of streams, what is written to one of which the other reads."""
    to_server, at_server = anyio.create_memory_object_stream[Any](0)
    to_client, at_client = anyio.create_memory_object_stream[Any](0)
    async with to_server, at_server, to_client, at_client:
        with anyio.fail_after(PATIENCE_SECONDS):
            yield at_client, to_server, at_server, to_client


def text_of(message: Any) -> str:
    """Give the text of a tool's result."""
    text: str = json.loads(jsonrpc.serialize(message))["result"]["content"][0]["text"]
    return text


# As the page has them -----------------------------------------------------------------


async def test_transport_of_the_page_reaches_a_server(server: Server) -> None:
    """We promise it: the shape that the page gives as the interface of a transport,
    whose streams have messages, and not items with a message in them."""
    answers: list[JSONRPCMessage] = []
    has_news = anyio.Event()

    async def process_messages(
        read_stream: MemoryObjectReceiveStream[JSONRPCMessage | Exception],
    ) -> None:
        async for message in read_stream:
            assert not isinstance(message, Exception)
            answers.append(message)
            has_news.set()

    @asynccontextmanager
    async def create_transport(
        read_stream: MemoryObjectReceiveStream[JSONRPCMessage | Exception],
        write_stream: MemoryObjectSendStream[JSONRPCMessage],
    ) -> AsyncIterator[MemoryObjectSendStream[JSONRPCMessage]]:
        async with anyio.create_task_group() as tg:
            try:
                # It starts to process messages,
                tg.start_soon(lambda: process_messages(read_stream))
                # and lets others send theirs.
                async with write_stream:
                    yield write_stream
            finally:
                tg.cancel_scope.cancel()
                await write_stream.aclose()
                await read_stream.aclose()

    async with (
        streams() as (read_stream, write_stream, at_server, to_client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, at_server, to_client)
        async with create_transport(read_stream, write_stream) as write:
            for message, count in ((INITIALIZE, 1), (INITIALIZED, 1), (CALL, 2)):
                await write.send(message)
                while len(answers) < count:
                    has_news = anyio.Event()
                    await has_news.wait()
    assert [answer.id for answer in answers if hasattr(answer, "id")] == [1, 2]
    assert text_of(answers[1]) == "nobody"


ASGIEvent = dict[str, Any]
Receive = Callable[[], Awaitable[ASGIEvent]]
Send = Callable[[ASGIEvent], Awaitable[None]]


@asynccontextmanager
async def example_transport(
    scope: ASGIEvent, receive: Receive, send: Send
) -> AsyncIterator[tuple[Any, Any]]:
    """Give the two streams of an ASGI connection, in the shape of the page."""
    read_stream_writer, read_stream = anyio.create_memory_object_stream[Any](0)
    write_stream, write_stream_reader = anyio.create_memory_object_stream[Any](0)

    async def handle_messages() -> None:
        async with read_stream_writer:
            while (event := await receive())["type"] == "websocket.receive":
                await read_stream_writer.send(jsonrpc.parse(event["text"]))

    async def send_messages() -> None:
        async with write_stream_reader:
            async for message in write_stream_reader:
                text = message.model_dump_json(by_alias=True, exclude_none=True)
                await send({"type": "websocket.send", "text": text})

    async with anyio.create_task_group() as tg:
        tg.start_soon(handle_messages)
        tg.start_soon(send_messages)
        try:
            yield read_stream, write_stream
        finally:
            tg.cancel_scope.cancel()
            await write_stream.aclose()
            await read_stream.aclose()


async def test_transport_of_the_page_serves_a_connection(server: Server) -> None:
    """We promise it: a function of an ASGI connection that gives two streams."""
    events = [
        {"type": "websocket.receive", "text": jsonrpc.serialize(message).decode()}
        for message in (INITIALIZE, INITIALIZED, CALL)
    ]
    events.append({"type": "websocket.disconnect"})
    sent: list[ASGIEvent] = []
    is_answered = anyio.Event()

    async def receive() -> ASGIEvent:
        if len(events) == 1:
            await is_answered.wait()
        return events.pop(0)

    async def send(event: ASGIEvent) -> None:
        sent.append(event)
        if len(sent) == 2:
            is_answered.set()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with example_transport({}, receive, send) as (read, write):
            await server.run(read, write)
    assert text_of(jsonrpc.parse(sent[1]["text"])) == "nobody"


# As others have them ------------------------------------------------------------------


async def test_session_of_the_official_sdk_uses_a_server(server: Server) -> None:
    """We promise it: over any pair of streams."""
    async with (
        streams() as (read, write, at_server, to_client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, at_server, to_client)
        async with ClientSession(read, write) as session:
            await session.initialize()
            result = await session.call_tool("who", {})
            assert result.content == [TextContent(text="nobody")]


@pytest.mark.parametrize("version", [None, "2025-11-25"])
async def test_client_takes_a_pair_of_streams(
    server: Server, version: str | None
) -> None:
    """We promise it: the two streams, as they are given."""
    async with (
        streams() as (read, write, at_server, to_client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, at_server, to_client)
        async with Client((read, write), version=version) as client:
            result = await client.call_tool("who")
            assert result.content == [TextContent(text="nobody")]
        with pytest.raises(anyio.ClosedResourceError):
            await write.send(None)


async def test_client_takes_what_gives_a_pair_of_streams(server: Server) -> None:
    """We promise it: it is entered and left by the client."""
    client_end, server_end = memory_transports()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.connect, server_end)
        pair: AbstractAsyncContextManager[Any] = open_streams(client_end)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with Client(pair) as client:
                assert [tool.name for tool in await client.list_tools()] == [
                    "who",
                    "slowly",
                ]


async def test_items_are_answered_by_items_of_the_same_kind(server: Server) -> None:
    """Our choice: whoever puts messages into items reads them from items."""
    async with (
        streams() as (read, write, at_server, to_client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, at_server, to_client)
        for item, kind in (
            (SessionMessage(INITIALIZE), SessionMessage),
            (jsonrpc.request(3, "ping", None), type(jsonrpc.result(3, {}))),
        ):
            await write.send(item)
            assert type(await read.receive()) is kind
        await write.aclose()


async def test_what_is_no_message_ends_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: what others put into a stream is reported."""
    async with (
        streams() as (read, write, at_server, to_client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, at_server, to_client)
        await write.send("nonsense")
        await write.send(ValueError("a line is no JSON"))
        await write.send(jsonrpc.request(3, "ping", None))
        assert await read.receive() == jsonrpc.result(3, {})
        await write.aclose()
    assert caplog.messages == [
        "transport error: a message is a JSON object, not a string",
        "transport error: a line is no JSON",
    ]


async def test_server_is_connected_to_a_transport(server: Server) -> None:
    """We promise it: until either side closes it; as the user who is named."""
    client_end, server_end = memory_transports()

    async def connect() -> None:
        await server.connect(server_end, user=User(username="ada"))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connect)
            async with Client(client_end) as client:
                result = await client.call_tool("who")
    assert result.content == [TextContent(text="ada")]


async def test_user_of_a_pair_of_streams_is_named(server: Server) -> None:
    """We promise it: streams do not say who is at their other end."""

    async with streams() as (read, write, at_server, to_client):

        async def run() -> None:
            await server.run(at_server, to_client, user=User(username="ada"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            async with Client((read, write)) as client:
                result = await client.call_tool("who")
    assert result.content == [TextContent(text="ada")]


async def test_what_was_asked_before_the_end_is_still_answered(server: Server) -> None:
    """Our choice: programs that ask and close their output wait for the answers."""
    async with (
        streams() as (read, write, at_server, to_client),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, at_server, to_client)
        await write.send(INITIALIZE)
        await read.receive()
        await write.send(jsonrpc.request(2, "tools/call", {"name": "slowly"}))
        await write.aclose()
        answers = [message async for message in read]
    assert [text_of(answer) for answer in answers] == ["done"]
