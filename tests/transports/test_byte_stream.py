"""Messages as lines over streams of bytes, such as sockets."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import ByteStream, UNIXSocketStream
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.exceptions import TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.byte_stream import ByteStreamTransport
from tests.transports.witness import PATIENCE_SECONDS, Witness

PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
BIG = jsonrpc.result(1, {"text": "x" * 8 * 1024 * 1024})


@asynccontextmanager
async def socket_pair() -> AsyncIterator[tuple[UNIXSocketStream, UNIXSocketStream]]:
    """Open two sockets that are joined."""
    ours, theirs = socket.socketpair()
    async with (
        await UNIXSocketStream.from_socket(ours) as one,
        await UNIXSocketStream.from_socket(theirs) as other,
    ):
        yield one, other


class Pieces(ByteStream):
    """A stream that gives its bytes in pieces, and keeps what is written."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.written = b""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._pieces:
            raise anyio.EndOfStream
        return self._pieces.pop(0)

    async def send(self, item: bytes) -> None:
        self.written += item

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self._pieces.clear()


async def test_both_halves_talk() -> None:
    """Chosen: the same class serves for either."""
    async with socket_pair() as (ours, theirs):
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                client = ByteStreamTransport(ours)
                server = ByteStreamTransport(theirs, sender=Sender(user="alice"))
                at_client, at_server = Witness(client), Witness(server)
                await client.start(tasks)
                await server.start(tasks)
                await client.send(PING)
                assert await at_server.until_messages(1) == [PING]
                assert at_server.senders == [
                    Sender(user="alice", size=40, binding="custom")
                ]
                tasks.start_soon(server.send, BIG)
                assert await at_client.until_messages(1) == [BIG]
                await client.close()
                await at_server.until_closed()
    assert (at_client.closed, at_server.closed) == (1, 1)
    assert at_client.errors == at_server.errors == []


LINES = [
    jsonrpc.serialize(PING) + b"\n",
    jsonrpc.serialize(PONG) + b"\r\n",
    b"\n",
    b"no message\n",
]


@given(
    st.lists(st.sampled_from(LINES), max_size=6).map(b"".join),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_any_split_of_the_bytes_gives_the_same_messages(
    data: bytes, cuts: list[int]
) -> None:
    """Chosen: how the bytes arrive means nothing."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges) if a < b]

    assert anyio.run(receive_all, pieces) == anyio.run(receive_all, [data or b"\n"])


async def receive_all(pieces: list[bytes]) -> tuple[list[Message], bytes]:
    """Give the messages of a stream, and what was answered by itself."""
    stream = Pieces(pieces)
    transport = ByteStreamTransport(stream)
    witness = Witness(transport)
    async with anyio.create_task_group() as tasks:
        await transport.start(tasks)
        await witness.until_closed()
    return witness.messages, stream.written


async def test_line_that_is_too_long_is_answered_and_lost() -> None:
    """Chosen: a peer cannot fill the memory, and the next line is read."""
    stream = Pieces([b"x" * 50, b"x" * 50 + b"\n", jsonrpc.serialize(PING) + b"\n"])
    transport = ByteStreamTransport(stream, max_line_bytes=60)
    witness = Witness(transport)
    async with anyio.create_task_group() as tasks:
        await transport.start(tasks)
        await witness.until_closed()

    assert stream.written == (
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,'
        b'"message":"a line is longer than 60 bytes"}}\n'
    )
    assert witness.messages == [PING]


async def test_peer_that_says_no_more_is_still_answered() -> None:
    """Chosen: as over stdio, what is begun may finish; `nc` closes its half."""
    async with socket_pair() as (ours, theirs):
        transport = ByteStreamTransport(ours)
        witness = Witness(transport)

        async def answer() -> None:
            await transport.send(PONG)

        transport.on_end = answer
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await theirs.send(jsonrpc.serialize(PING) + b"\n")
                await theirs.send_eof()
                await witness.until_closed()
        assert witness.messages == [PING]
        assert await theirs.receive() == jsonrpc.serialize(PONG) + b"\n"


async def test_close_does_not_wait_for_a_peer_that_reads_nothing() -> None:
    """We promise it: who sends learns that it is closed."""
    async with socket_pair() as (ours, _):
        transport = ByteStreamTransport(ours)
        refused: list[Message] = []

        async def send(message: Message) -> None:
            try:
                await transport.send(message)
            except TransportClosed:
                refused.append(message)

        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                tasks.start_soon(send, BIG)
                await wait_all_tasks_blocked()
                tasks.start_soon(send, PONG)
                await wait_all_tasks_blocked()
                await transport.close()
    assert refused == [BIG, PONG]


async def test_peer_that_is_gone_ends_the_transport() -> None:
    """Spec of `Transport`: closed by either side."""
    async with socket_pair() as (ours, theirs):
        transport = ByteStreamTransport(ours)
        witness = Witness(transport)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await theirs.aclose()
                with contextlib.suppress(TransportClosed):
                    await transport.send(BIG)
                await witness.until_closed()
        with pytest.raises(TransportClosed):
            await transport.send(PONG)
    assert witness.closed == 1
