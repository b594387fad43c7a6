"""Any transport as a pair of streams, for programs written against those."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from pydantic import BaseModel, RootModel

from mcp_django.exceptions import ParseError, RequestFailed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import MemoryTransport, memory_transports
from mcp_django.transports.server.sse import SSEServerTransport, StreamLimits
from mcp_django.transports.streams import (
    ReadStream,
    SessionMessage,
    WriteStream,
    open_streams,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
ALICE = Sender(user="alice")


@pytest.fixture(autouse=True)
def nothing_leaks() -> Any:
    """Fail for streams that nobody closed: they warn when they are collected."""
    yield
    gc.collect()


@asynccontextmanager
async def opened(
    *, buffer: int = 16
) -> AsyncIterator[tuple[Witness, MemoryTransport, ReadStream, WriteStream]]:
    """Show one end of a memory transport as streams; a witness drives the other."""
    peer, transport = memory_transports(client=ALICE, buffer=buffer)
    witness = Witness(peer)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await peer.start(tasks)
            async with open_streams(transport) as (read, write):
                yield witness, peer, read, write
            await witness.until_closed()


async def test_messages_travel_both_ways() -> None:
    """Our choice: items as the field has them, with the sender beside."""
    async with opened() as (witness, peer, read, write):
        await peer.send(PING)
        size = len(jsonrpc.serialize(PING))
        sender = replace(ALICE, size=size, binding="memory")
        assert await read.receive() == SessionMessage(PING, sender=sender)
        await write.send(SessionMessage(PONG))
        assert await witness.until_messages(1) == [PONG]


@dataclass
class Envelope:
    """An item as another program has it."""

    message: Message
    stamp: str = ""


async def test_items_may_be_of_another_class() -> None:
    """Our choice: some programs insist on a class of their own."""

    def wrap(message: Message, sender: Sender) -> Envelope:
        return Envelope(message, stamp=sender.user)

    peer, transport = memory_transports(client=ALICE)
    witness = Witness(peer)
    async with anyio.create_task_group() as tasks:
        await peer.start(tasks)
        async with open_streams(transport, wrap=wrap) as (read, write):
            await peer.send(PING)
            assert await read.receive() == Envelope(PING, stamp="alice")
            await write.send(Envelope(PONG))
            assert await witness.until_messages(1) == [PONG]


async def test_errors_are_items_between_the_messages() -> None:
    """Our choice: as the field has it, an error that ends nothing is read as an
    exception."""
    peer, transport = memory_transports()
    async with open_streams(transport) as (read, _):
        error = ParseError("no JSON text")
        transport.on_error(error)
        assert await read.receive() is error
        await peer.send(PING)
        item = await read.receive()
        assert item.message == PING
    await peer.close()


async def test_errors_nobody_reads_are_bounded_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: a flood of garbage must not fill the memory."""
    peer, transport = memory_transports()
    async with open_streams(transport):
        for number in range(100):
            transport.on_error(ParseError(f"line {number}"))
        # Each text is a kind, up to a bound; those beyond are one.
        assert caplog.record_tuples == [
            (
                "mcp_django.transports",
                logging.WARNING,
                f"transport error: line {number}",
            )
            for number in range(16, 67)
        ]
    await peer.close()


async def test_reader_that_is_slow_makes_the_transport_wait() -> None:
    """Our choice: the streams hold no messages."""
    async with (
        opened(buffer=0) as (_, peer, read, _),
        anyio.create_task_group() as tasks,
    ):
        for _ in range(3):
            tasks.start_soon(peer.send, PING)
        await wait_all_tasks_blocked()
        assert read.statistics().current_buffer_used == 0
        assert read.statistics().tasks_waiting_send == 1
        for _ in range(3):
            await read.receive()


async def test_peer_that_closes_ends_the_read_stream() -> None:
    """Our choice: after what it sent before."""
    async with opened() as (witness, peer, read, write):
        await peer.send(PING)
        await peer.close()
        assert [item.message async for item in read] == [PING]
        await write.send(SessionMessage(PONG))
        with pytest.raises(anyio.BrokenResourceError):
            await write.send(SessionMessage(PONG))
    assert witness.messages == []


async def test_closing_the_write_stream_closes_the_transport_after_what_was_sent() -> (
    None
):
    """Our choice: programs end a connection that way."""
    async with opened(buffer=0) as (witness, _, read, write):
        for _ in range(3):
            await write.send(SessionMessage(PONG))
        await write.aclose()
        assert [item async for item in read] == []
        await witness.until_closed()
    assert witness.messages == [PONG] * 3


async def test_leaving_sends_what_was_written() -> None:
    """Our choice: `write.send` has taken it, so that it must not be lost."""
    peer, transport = memory_transports(buffer=0)
    witness = Witness(peer)
    async with anyio.create_task_group() as tasks:
        async with open_streams(transport) as (_, write):
            await write.send(SessionMessage(PONG))
            tasks.start_soon(peer.start, tasks)
        await witness.until_closed()
    assert witness.messages == [PONG]


class OldRequest(BaseModel):
    """A message as the official SDK 1.x has them: another class, within another one."""

    jsonrpc: str = "2.0"
    id: int = 1
    method: str = "ping"
    params: dict[str, Any] | None = None


class OldMessage(RootModel[OldRequest]):
    """What is around it there."""


@dataclass
class Foreign:
    """An item whose message is of any class."""

    message: Any


@pytest.mark.parametrize(
    "item",
    [
        PING,
        SessionMessage(PING),
        Envelope(PING),
        Foreign(OldMessage(OldRequest())),
    ],
    ids=["a message", "an item", "an item of others", "a message of others"],
)
async def test_message_of_any_item_is_sent(item: Any) -> None:
    """Our choice: whoever writes need not know who reads."""
    async with opened() as (witness, _, _, write):
        await write.send(item)
        assert await witness.until_messages(1) == [PING]


@pytest.mark.parametrize("item", [None, "nonsense", Foreign(OldMessage)])
async def test_what_is_no_message_is_reported_and_not_sent(item: Any) -> None:
    """Our choice: what follows is sent all the same."""
    async with opened() as (witness, _, read, write):
        await write.send(item)
        error = await read.receive()
        assert isinstance(error, ValueError)
        assert str(error).startswith("cannot send ")
        await write.send(PING)
        assert await witness.until_messages(1) == [PING]


async def test_what_is_asked_before_the_end_can_be_answered() -> None:
    """Our choice: the peer says no more, as at the end of a pipe, but reads."""
    peer, transport = memory_transports()
    witness = Witness(peer)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await peer.start(tasks)
            async with open_streams(transport) as (read, write):

                async def say_no_more() -> None:
                    await transport.on_end()

                tasks.start_soon(say_no_more)
                assert [item async for item in read] == []
                await write.send(PONG)
                await write.aclose()
    assert witness.messages == [PONG]


async def test_leaving_with_an_exception_waits_for_nobody() -> None:
    """Our choice: a peer that does not read must not keep a failure from showing, which
    comes out as it is."""
    peer, transport = memory_transports(buffer=0)
    at_transport = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(LookupError):
        async with open_streams(transport) as (_, write):
            await write.send(SessionMessage(PONG))
            raise LookupError("no such thing")
    assert at_transport.closed == 1
    await peer.close()


async def test_leaving_does_not_wait_for_other_senders() -> None:
    """Our choice: who cloned the write stream closes the clone."""
    async with opened() as (witness, _, _, write):
        clone = write.clone()
    clone.close()
    assert witness.closed == 1


async def test_driver_that_stops_reading_is_told_to_the_transport(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: what nobody reads is logged, and writing goes on."""
    async with opened() as (witness, peer, read, write):
        await read.aclose()
        await peer.send(PING)
        await write.send(SessionMessage(PONG))
        assert await witness.until_messages(1) == [PONG]
        await wait_all_tasks_blocked()
    assert caplog.messages == ["transport error: nobody reads the messages any more"]


async def test_transport_that_somebody_else_starts_is_not_started_twice() -> None:
    """Our choice: `SSEConsumer` starts the transport of its connection itself."""
    peer, transport = memory_transports()
    async with (
        anyio.create_task_group() as tasks,
        open_streams(transport, start=False) as (read, _),
    ):
        await transport.start(tasks)
        await peer.send(PING)
        item = await read.receive()
        assert item.message == PING
    await peer.close()


async def test_close_is_still_told_to_whoever_listened_before() -> None:
    """Our choice: the owner of the connection has to know."""
    peer, transport = memory_transports()
    closed: list[str] = []
    transport.on_close = lambda: closed.append("told")
    async with open_streams(transport):
        await peer.close()
    assert closed == ["told"]


# What cannot be sent ----------------------------------------------------------------


@asynccontextmanager
async def opened_sse() -> AsyncIterator[tuple[list[Message], ReadStream, WriteStream]]:
    """Show an SSE transport as streams; the list has the messages it wrote."""
    written: list[Message] = []

    async def write_event(chunk: bytes) -> None:
        if chunk.startswith(b"event: message"):
            message = jsonrpc.parse(chunk.split(b"data: ")[1])
            assert not isinstance(message, list)
            written.append(message)

    limits = StreamLimits(200, 10_000, 10_000, 300, 15)
    transport = SSEServerTransport(write_event, endpoint="/m", limits=limits)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with open_streams(transport) as (read, write):
            yield written, read, write


@pytest.mark.parametrize(
    ("text", "reason", "answer"),
    [
        (
            "x" * 500,
            "message of 571 bytes; at most 200 can be sent",
            "message of 571 bytes; at most 200 can be sent",
        ),
        (
            "\ud800",
            "Error serializing to JSON: UnicodeEncodeError: 'utf-8' codec can't encode "
            "character '\\ud800' in position 0: surrogates not allowed",
            "Internal error",
        ),
    ],
    ids=["too large", "not JSON"],
)
async def test_result_that_cannot_be_sent_is_answered_with_an_error(
    text: str, reason: str, answer: str
) -> None:
    """Our choice: every request gets exactly one answer."""
    async with opened_sse() as (written, read, write):
        await write.send(SessionMessage(jsonrpc.result(1, {"text": text})))
        error = await read.receive()
        await write.send(SessionMessage(PONG))
    assert str(error) == reason
    assert written == [jsonrpc.error(1, -32603, answer), PONG]


async def test_notification_that_cannot_be_sent_is_reported_only() -> None:
    """Spec: JSON-RPC 2.0, section 4.1: nobody waits for an answer to it."""
    async with opened_sse() as (written, read, write):
        for data in ("\ud800", "x" * 500):
            note = jsonrpc.notification("notifications/message", {"data": data})
            await write.send(SessionMessage(note))
            assert isinstance(await read.receive(), Exception)
        await write.send(SessionMessage(PONG))
    assert written == [PONG]


# What cannot be answered ------------------------------------------------------------


async def test_request_that_fails_is_answered_with_an_error() -> None:
    """Our choice: whoever reads the streams waits for an answer, not an exception."""
    peer, transport = memory_transports()
    async with open_streams(transport) as (read, _):
        for id in range(100):
            transport.on_error(RequestFailed("the server is gone", request_id=id))
        answers = [await read.receive() for _ in range(100)]
    assert [item.message for item in answers] == [
        jsonrpc.error(id, -32000, "the server is gone") for id in range(100)
    ]
    await peer.close()


async def test_request_that_cannot_be_sent_is_answered_with_an_error() -> None:
    """Our choice: likewise."""
    async with opened_sse() as (written, read, write):
        await write.send(SessionMessage(jsonrpc.request(7, "x" * 500, None)))
        item = await read.receive()
    assert item.message == jsonrpc.error(
        7, -32000, "message of 562 bytes; at most 200 can be sent"
    )
    assert written == []
