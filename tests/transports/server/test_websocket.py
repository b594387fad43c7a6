"""Messages as text frames, without a WebSocket."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from mcp_django.exceptions import MessageTooLarge, ReaderTooSlow, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.server.flow_control import Flow
from mcp_django.transports.server.unread import Account, Unread, UnreadLimits
from mcp_django.transports.server.websocket import (
    WebSocketLimits,
    WebSocketServerTransport,
)
from tests.transports.reader import Reader
from tests.transports.witness import PATIENCE_SECONDS, Witness

LIMITS = WebSocketLimits(
    max_received_bytes=1000,
    max_sent_bytes=1000,
    max_held_seconds=300.0,
    max_full_seconds=10.0,
)
PING = jsonrpc.request(1, "ping", None)
QUESTION = jsonrpc.request("q", "roots/list", None)


class Connection:
    """A transport, and what it did.

    Attributes:
        sent: The messages sent.
        closed: Codes and reasons it was closed with.
        time: What the transport's clock shows.
    """

    def __init__(
        self, limits: WebSocketLimits = LIMITS, *, account: Account | None = None
    ) -> None:
        self.sent: list[Any] = []
        self.closed: list[tuple[int, str]] = []
        self.time = 1000.0
        self.reader = Reader()
        self.transport = WebSocketServerTransport(
            self._send_text,
            self._send_close,
            flow=self.reader,
            limits=limits,
            account=account,
            clock=lambda: self.time,
        )
        self.witness = Witness(self.transport)

    async def _send_text(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def _send_close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    async def tick_after(self, seconds: float) -> None:
        """Let time pass, and tick."""
        self.time += seconds
        await self.transport.tick()


def result(id: int) -> Message:
    return jsonrpc.result(id, {})


async def test_messages_travel_both_ways() -> None:
    """Chosen: one message for each text frame."""
    connection = Connection()
    text = jsonrpc.serialize(PING).decode()
    await connection.transport.receive_text(text, Sender(user="alice"))
    await connection.transport.send(result(1))

    assert connection.witness.messages == [PING]
    expected = Sender(user="alice", size=len(text), binding="websocket")
    assert connection.witness.senders == [expected]
    assert connection.sent == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


async def test_frame_that_is_no_message_is_answered() -> None:
    """Spec: JSON-RPC 2.0, section 5.1. The transport lives on."""
    connection = Connection()
    await connection.transport.receive_text("{", Sender())
    await connection.transport.receive_text(jsonrpc.serialize(PING).decode(), Sender())

    [answer] = connection.sent
    assert (answer["id"], answer["error"]["code"]) == (None, -32700)
    assert len(connection.witness.errors) == 1
    assert connection.witness.messages == [PING]


async def test_batch_is_delivered_where_the_version_takes_them() -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    connection = Connection()
    connection.transport.takes_batches = True
    text = f"[{jsonrpc.serialize(PING).decode()}]"
    await connection.transport.receive_text(text, Sender())

    assert connection.witness.messages == [PING]


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [("1" * 1000, True), ("1" * 1001, False), ("\u20ac" * 334, False)],
)
async def test_size_of_a_frame_is_bounded(text: str, is_taken: bool) -> None:
    """RFC 6455, section 7.4.1: 1009; counted in bytes of UTF-8."""
    connection = Connection()
    await connection.transport.receive_text(text, Sender())

    closed = [] if is_taken else [(1009, "at most 1000 bytes are taken")]
    assert connection.closed == closed


async def test_binary_frame_closes() -> None:
    """RFC 6455, section 7.4.1: 1003."""
    connection = Connection()
    await connection.transport.receive_bytes()

    assert connection.closed == [(1003, "send each message as a text frame")]
    assert connection.witness.closed == 1


async def test_message_that_is_too_large_is_not_sent() -> None:
    """Chosen: common clients end their connection when one comes."""
    connection = Connection()
    with pytest.raises(MessageTooLarge) as caught:
        await connection.transport.send(jsonrpc.result(1, {"text": "x" * 1000}))
    await connection.transport.send(result(2))

    assert caught.value.limit == 1000
    assert [message["id"] for message in connection.sent] == [2]


async def test_closed_transport_takes_and_sends_nothing() -> None:
    """Spec of `Transport`: more calls of `close` do nothing."""
    connection = Connection()
    await connection.transport.close()
    await connection.transport.close(1000, "again")
    await connection.transport.receive_text(jsonrpc.serialize(PING).decode(), Sender())
    with pytest.raises(TransportClosed):
        await connection.transport.send(result(1))
    await connection.tick_after(1000)

    assert connection.closed == [(1001, "")]
    assert (connection.witness.closed, connection.witness.messages) == (1, [])
    assert connection.reader.is_closed


async def test_messages_wait_for_the_reader_and_go_one_at_a_time() -> None:
    """We promise it: what is not read yet is not kept by the server below us."""
    connection = Connection()
    transport, reader = connection.transport, connection.reader
    reader.stop()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            for id in range(3):
                tasks.start_soon(transport.send, result(id))
            await wait_all_tasks_blocked()
            assert transport.is_congested
            assert connection.sent == []
            reader.read()
    assert sorted(message["id"] for message in connection.sent) == [0, 1, 2]
    assert not transport.is_congested


async def test_driver_is_told_when_the_reader_has_caught_up() -> None:
    """Chosen: so that it begins the requests that wait."""
    connection = Connection()
    cleared: list[bool] = []
    connection.transport.on_clear = lambda: cleared.append(
        connection.transport.is_congested
    )
    connection.reader.stop()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await connection.transport.start(tasks)
            tasks.start_soon(connection.transport.send, result(1))
            await wait_all_tasks_blocked()
            assert cleared == []
            connection.reader.read()
            await wait_all_tasks_blocked()
    assert cleared == [False]


async def test_close_lets_those_go_who_wait_to_send() -> None:
    """Spec of `Transport`: raises `TransportClosed`."""
    connection = Connection()
    refused: list[int] = []

    async def send(id: int) -> None:
        try:
            await connection.transport.send(result(id))
        except TransportClosed:
            refused.append(id)

    connection.reader.stop()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for id in range(3):
                tasks.start_soon(send, id)
            await wait_all_tasks_blocked()
            await connection.transport.close()
    assert (sorted(refused), connection.sent) == ([0, 1, 2], [])


async def test_client_that_does_not_read_the_close_is_not_waited_for() -> None:
    """We promise it: one slow client holds nobody up."""
    connection = Connection()

    async def never(code: int, reason: str) -> None:
        await anyio.sleep_forever()

    transport = WebSocketServerTransport(
        connection._send_text, never, flow=Flow(), limits=LIMITS
    )
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        await transport.close()
    assert witness.closed == 1


# Patience -----------------------------------------------------------------------

UNREAD = (1008, "what was sent is not read")


async def test_reader_that_stops_has_its_time() -> None:
    """Chosen: MCP["MAX_HELD_SECONDS"] while nothing more waits to be sent."""
    connection = Connection()
    await connection.tick_after(1)
    connection.reader.stop()
    await connection.tick_after(1)
    await connection.tick_after(299)
    assert connection.closed == []
    await connection.tick_after(1)
    assert connection.closed == [UNREAD]
    assert len(connection.witness.errors) == 1


async def test_reader_that_keeps_messages_waiting_has_less() -> None:
    """Chosen: MCP["MAX_FULL_SECONDS"] from when something has to wait."""
    connection = Connection()
    connection.reader.stop()
    await connection.tick_after(100)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_send_in_vain, connection)
            await wait_all_tasks_blocked()
            await connection.tick_after(10)
            assert connection.closed == []
            await connection.tick_after(1)
    assert connection.closed == [UNREAD]


async def test_reader_that_is_slow_but_steady_is_never_cut_off() -> None:
    """We promise it: progress counts, however little."""
    connection = Connection()
    connection.reader.stop()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.transport.send, result(1))
            await wait_all_tasks_blocked()
            for _ in range(1000):
                connection.reader.has_read += 1
                await connection.tick_after(9)
            connection.reader.read()
    assert connection.closed == []


@pytest.mark.parametrize("ending", ["answer", "withdrawal"])
async def test_client_whose_user_ponders_is_not_cut_off(ending: str) -> None:
    """Chosen: some clients read nothing while their user thinks about a question;
    once it is answered or withdrawn, their time begins."""
    connection = Connection()
    transport = connection.transport
    await transport.send(QUESTION)
    connection.reader.stop()
    await connection.tick_after(1000)
    assert connection.closed == []
    if ending == "answer":
        answer = jsonrpc.serialize(jsonrpc.result("q", {"roots": []}))
        await transport.receive_text(answer.decode(), Sender())
        await connection.tick_after(300)
        assert connection.closed == []
        await connection.tick_after(1)
    else:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                withdrawn = {"requestId": "q"}
                note = jsonrpc.notification("notifications/cancelled", withdrawn)
                tasks.start_soon(_send_in_vain, connection, note)
                await wait_all_tasks_blocked()
                await connection.tick_after(11)
    assert connection.closed == [UNREAD]


async def test_server_whose_send_waits_is_congested_meanwhile() -> None:
    """Chosen: other servers than Daphne wait for the client in `send` itself."""
    has_room = anyio.Event()

    async def send_text(text: str) -> None:
        await has_room.wait()

    connection = Connection(replace(LIMITS, max_full_seconds=5.0))
    transport = WebSocketServerTransport(
        send_text, connection._send_close, flow=Flow(), limits=LIMITS
    )
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.send, result(1))
            await wait_all_tasks_blocked()
            assert transport.is_congested
            has_room.set()
    assert not transport.is_congested


async def _send_in_vain(connection: Connection, message: Message | None = None) -> None:
    with pytest.raises(TransportClosed):
        await connection.transport.send(message or result(1))


# What is not read yet ---------------------------------------------------------------


def answer(id: int, size: int = 500) -> bytes:
    return jsonrpc.serialize(jsonrpc.result(id, {"text": "x" * size}))


def budget(most: int) -> Unread:
    return Unread(lambda: UnreadLimits(10 * most, most))


async def test_what_waits_to_be_sent_counts_until_it_is_taken() -> None:
    """We promise it: MCP["MAX_UNREAD_BYTES"]."""
    unread = budget(10_000)
    connection = Connection(account=Account(unread, "ann"))
    await connection.transport.start()
    connection.reader.stop()
    async with anyio.create_task_group() as tasks:
        for id in range(3):
            tasks.start_soon(connection.transport.send_answer, answer(id))
        await wait_all_tasks_blocked()
        assert unread.bytes_of("ann") == 3 * len(answer(0))
        connection.reader.read()
    assert unread.total == 0
    assert sorted(message["id"] for message in connection.sent) == [0, 1, 2]


async def test_answer_for_which_there_is_no_room_is_refused() -> None:
    """We promise it: whoever answers can say so; a notification waits as ever."""
    unread = budget(len(answer(0)))
    connection = Connection(account=Account(unread, "ann"))
    connection.reader.stop()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.transport.send_answer, answer(0))
        await wait_all_tasks_blocked()
        assert connection.transport.is_congested
        with pytest.raises(ReaderTooSlow):
            await connection.transport.send_answer(answer(1))
        with pytest.raises(ReaderTooSlow):
            await connection.transport.send(result(1))
        tasks.start_soon(
            connection.transport.send, jsonrpc.notification("n", {"text": "x" * 300})
        )
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert unread.total == 0


async def test_what_is_large_counts_until_the_buffer_is_empty() -> None:
    """We promise it: what was sent lies in the server's buffer."""
    unread = budget(10**6)
    limits = replace(LIMITS, max_sent_bytes=10**6)
    connection = Connection(limits, account=Account(unread, "ann"))
    await connection.transport.start()
    large = answer(0, 100_000)

    async def fill(text: str) -> None:
        connection.reader.stop()

    transport = WebSocketServerTransport(
        fill,
        connection._send_close,
        flow=connection.reader,
        limits=limits,
        account=Account(unread, "ann"),
    )
    await transport.start()
    await transport.send_answer(large)
    assert unread.bytes_of("ann") == len(large)
    connection.reader.read()
    assert unread.total == 0
    await transport.send_answer(large)
    await transport.close()
    assert unread.total == 0
