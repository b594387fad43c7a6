"""The client's half of WebSocket, against servers that do what a test wants."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import SocketAttribute
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from mcp_django.exceptions import (
    HTTPRefused,
    MessageLost,
    ParseError,
    RemoteProtocolError,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.client.websocket import WebSocketClientTransport
from tests.transports.websocket_peer import (
    Peer,
    closing,
    connected,
    frame,
    listening,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
TEXT = jsonrpc.serialize(PING)
BIG = jsonrpc.result(1, {"text": "x" * 16 * 1024 * 1024})


async def say_goodbye(peer: Peer) -> tuple[int, str]:
    """Do what a server does when its client closes; give code and reason."""
    code, reason = await peer.close_frame()
    await peer.stream.send(closing(code, reason))
    return code, reason


# Messages -----------------------------------------------------------------------


async def test_messages_travel_both_ways() -> None:
    """Chosen: one message for each text frame."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await peer.text() == TEXT
        await peer.send_text(jsonrpc.serialize(PONG))
        assert await say_goodbye(peer) == (1000, "")

    async with listening(serve) as url, connected(url) as (client, witness):
        await client.send(PING)
        assert await witness.until_messages(1) == [PONG]
    assert witness.senders == [Sender(size=36, binding="websocket")]
    assert witness.errors == []


async def test_messages_come_whole_however_they_are_cut() -> None:
    """RFC 6455, 5.4: fragments are joined, and a ping may come between them."""
    bytes_sent = (
        frame(Opcode.TEXT, TEXT[:1], fin=False)
        + frame(Opcode.PING, b"between")
        + frame(Opcode.CONT, b"", fin=False)
        + frame(Opcode.CONT, TEXT[1:])
        + frame(Opcode.TEXT, b'{"jsonrpc":"2.0","id":"\xe2', fin=False)
        + frame(Opcode.CONT, b'\x82\xac","method":"ping"}')
    )

    async def serve(peer: Peer) -> None:
        await peer.accept()
        for byte in bytes_sent:
            await peer.stream.send(bytes([byte]))
        pong = await peer.frame()
        assert (pong.opcode, pong.data) == (Opcode.PONG, b"between")
        await say_goodbye(peer)

    async with listening(serve) as url, connected(url) as (_, witness):
        messages = await witness.until_messages(2)
    assert messages == [PING, jsonrpc.request("\u20ac", "ping", None)]
    assert witness.errors == []


async def test_messages_that_come_with_the_handshake_are_not_lost() -> None:
    """Chosen: servers may send in the same packet, and close."""

    async def serve(peer: Peer) -> None:
        await peer.accept(more=2 * frame(Opcode.TEXT, TEXT) + closing(1001))
        assert await peer.close_frame() == (1001, "")

    async with listening(serve) as url, connected(url) as (_, witness):
        await witness.until_closed()
    assert (witness.messages, witness.errors) == ([PING, PING], [])


async def test_frame_that_is_no_message_is_reported_only() -> None:
    """Chosen: the client answers no faults, and the transport lives on."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.send_text(b"{")
        await peer.send_text(TEXT)
        assert (await peer.frame()).opcode is Opcode.CLOSE

    async with listening(serve) as url, connected(url) as (_, witness):
        await witness.until_messages(1)
    [error] = witness.errors
    assert isinstance(error, ParseError)


async def test_batch_is_delivered_where_the_version_takes_them() -> None:
    """Spec: 2025-03-26 basic, "Batching"."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.text()
        await peer.send_text(b"[" + TEXT + b"," + TEXT + b"]")
        await say_goodbye(peer)

    async with listening(serve) as url, connected(url) as (client, witness):
        client.takes_batches = True
        await client.send(PING)
        assert await witness.until_messages(2) == [PING, PING]


async def test_driver_that_fails_is_reported() -> None:
    """Spec of `Transport`: what did not end the transport."""

    async def fail(message: Message, sender: Sender) -> None:
        raise RuntimeError("no")

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.text()
        await peer.send_text(TEXT)
        await peer.send_text(TEXT)
        await say_goodbye(peer)

    async with listening(serve) as url, connected(url) as (client, witness):
        client.on_message = fail
        await client.send(PING)
        await witness.until(lambda witness: len(witness.errors) == 2)
    assert {type(error) for error in witness.errors} == {RuntimeError}


async def test_server_waits_while_a_message_is_being_taken() -> None:
    """Spec of `Transport`: reading stops until `on_message` returns."""
    text = jsonrpc.serialize(jsonrpc.result(1, {"text": "x" * 1024 * 1024}))
    sent = 0

    async def serve(peer: Peer) -> None:
        nonlocal sent
        await peer.accept()
        for _ in range(64):
            await peer.send_text(text)
            sent += 1
        await say_goodbye(peer)

    taking, may_take = anyio.Event(), anyio.Event()

    async def take_slowly(message: Message, sender: Sender) -> None:
        taking.set()
        await may_take.wait()
        await take(message, sender)

    transport: WebSocketClientTransport
    async with listening(serve) as url:
        transport = WebSocketClientTransport(url)
        witness = Witness(transport)
        take, transport.on_message = transport.on_message, take_slowly
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await taking.wait()
                await wait_all_tasks_blocked()
                assert sent < 40
                may_take.set()
                await witness.until_messages(64)
                await transport.close()


# What servers do wrong ----------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kind", "code"),
    [
        (frame(Opcode.BINARY, TEXT), RemoteProtocolError, 1003),
        (frame(Opcode.BINARY, b"", fin=False), RemoteProtocolError, 1003),
        (frame(Opcode.TEXT, b'"\xff"'), RemoteProtocolError, 1007),
        (frame(Opcode.TEXT, b"1" * 1001), MessageLost, 1009),
        (
            frame(Opcode.TEXT, b"1" * 600, fin=False) + frame(Opcode.CONT, b"1" * 401),
            MessageLost,
            1009,
        ),
        (b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", MessageLost, 1009),
        (frame(Opcode.CONT, b"1"), RemoteProtocolError, 1002),
        (b"\x81\x81\0\0\0\x001", RemoteProtocolError, 1002),
        (b"\x83\x00", RemoteProtocolError, 1002),
        (b"\xc1\x011", RemoteProtocolError, 1002),
        (b"\x09\x00", RemoteProtocolError, 1002),
        (closing(1005), RemoteProtocolError, 1002),
        (frame(Opcode.CLOSE, b"\x03\xe8\xff"), RemoteProtocolError, 1007),
        (frame(Opcode.CLOSE, b"\x03"), RemoteProtocolError, 1002),
        (
            frame(Opcode.TEXT, b"1", fin=False) + closing(1000),
            RemoteProtocolError,
            1002,
        ),
    ],
)
async def test_server_that_breaks_the_rules_is_left(
    sent: bytes, kind: type[Exception], code: int
) -> None:
    """RFC 6455, 7.4.1. What came before is delivered."""
    codes: list[int] = []

    async def serve(peer: Peer) -> None:
        await peer.accept(more=frame(Opcode.TEXT, TEXT) + sent)
        codes.append((await peer.close_frame())[0])

    async with (
        listening(serve) as url,
        connected(url, max_received_bytes=1000) as (client, witness),
    ):
        await witness.until_closed()
        [error] = witness.errors
        assert type(error) is kind
        with pytest.raises(TransportClosed) as caught:
            await client.send(PING)
    assert codes == [code]
    assert witness.messages == [PING]
    assert str(caught.value) == f"cannot send: {error}"


@pytest.mark.parametrize("size", [999, 1000])
async def test_message_of_the_largest_size_is_taken(size: int) -> None:
    """Chosen: `max_received_bytes` counts the message, not its frames."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        text = TEXT.ljust(size)
        await peer.stream.send(
            frame(Opcode.TEXT, text[:700], fin=False) + frame(Opcode.CONT, text[700:])
        )
        await say_goodbye(peer)

    async with (
        listening(serve) as url,
        connected(url, max_received_bytes=1000) as (_, witness),
    ):
        assert await witness.until_messages(1) == [PING]


async def test_nothing_is_delivered_after_a_fault() -> None:
    """Spec: RFC 6455, 7.1.7."""

    async def serve(peer: Peer) -> None:
        bad = frame(Opcode.BINARY, b"")
        await peer.accept(more=bad + frame(Opcode.TEXT, TEXT) + closing(1000))
        await peer.until_gone()

    async with listening(serve) as url, connected(url) as (_, witness):
        await witness.until_closed()
    assert witness.messages == []


@pytest.mark.parametrize("is_reset", [False, True])
async def test_server_that_goes_without_a_word_is_reported(is_reset: bool) -> None:
    """RFC 6455, 7.1.5: what is told as 1006."""

    async def serve(peer: Peer) -> None:
        await peer.accept(more=frame(Opcode.TEXT, TEXT) + b"\x81")
        await peer.text()
        if is_reset:
            raw = peer.stream.extra(SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with listening(serve) as url, connected(url) as (client, witness):
        await client.send(PING)
        await witness.until_closed()
        with pytest.raises(TransportClosed, match="went without closing"):
            await client.send(PING)
    [error] = witness.errors
    assert type(error) is TransportClosed
    assert ("reset" in str(error)) == is_reset
    assert witness.messages == [PING]


@pytest.mark.parametrize(
    ("sent", "said", "is_reported"),
    [
        (closing(1000), "with 1000", False),
        (closing(1001, "restart"), "with 1001 ('restart')", False),
        (frame(Opcode.CLOSE, b""), "with 1005", False),
        (closing(1008, "not read\n"), "with 1008 ('not read\\n')", True),
        (closing(4000, "own"), "with 4000 ('own')", True),
    ],
)
async def test_server_that_closes_is_understood(
    sent: bytes, said: str, is_reported: bool
) -> None:
    """Chosen: a good end is no error; the code is named to tasks that send later."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.stream.send(frame(Opcode.TEXT, TEXT) + sent)
        answer = await peer.frame()
        assert (answer.opcode, answer.data) == (Opcode.CLOSE, sent[2:])

    async with listening(serve) as url, connected(url) as (client, witness):
        await witness.until_closed()
        with pytest.raises(TransportClosed) as caught:
            await client.send(PING)
    said = f"the server closed the WebSocket {said}"
    assert str(caught.value) == f"cannot send: {said}"
    assert [str(error) for error in witness.errors] == [said] * is_reported
    assert witness.messages == [PING]


async def test_what_is_sent_once_the_server_has_closed_is_refused() -> None:
    """Spec of `Transport`, also while what came before is still being taken."""
    refused: list[str] = []

    async def serve(peer: Peer) -> None:
        await peer.accept(more=frame(Opcode.TEXT, TEXT) + closing(1000))
        await peer.until_gone()

    async def answer(message: Message, sender: Sender) -> None:
        try:
            await transport.send(PONG)
        except TransportClosed as error:
            refused.append(str(error))

    async with listening(serve) as url:
        transport = WebSocketClientTransport(url)
        witness = Witness(transport)
        transport.on_message = answer
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await witness.until_closed()
    assert refused == ["cannot send: the server has closed the connection"]


async def test_pongs_that_are_not_read_do_not_fill_the_memory() -> None:
    """Chosen: a server that only pings is not read any more."""
    sent = 0
    is_over = anyio.Event()

    async def flood(peer: Peer) -> None:
        nonlocal sent
        pings = 100 * frame(Opcode.PING, b"x" * 125)
        with contextlib.suppress(anyio.BrokenResourceError):
            while True:
                await peer.stream.send(pings)
                sent += len(pings)

    async def serve(peer: Peer) -> None:
        await peer.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood, peer)
            await is_over.wait()
            tasks.cancel_scope.cancel()

    async with listening(serve) as url:
        async with connected(url) as (client, witness):
            for _ in range(5):
                await wait_all_tasks_blocked()
            # What is not read is in the buffers of two sockets.
            assert 0 < sent < 16 * 1024 * 1024
            await client.close()
        is_over.set()
    assert witness.errors == []


# Sending ------------------------------------------------------------------------


async def test_messages_sent_at_once_do_not_mix() -> None:
    """Spec of `Transport`: `send` may be called concurrently."""
    messages = [jsonrpc.result(id, {"text": "x" * 300_000}) for id in range(10)]
    received: list[bytes] = []

    async def serve(peer: Peer) -> None:
        await peer.accept()
        for _ in messages:
            received.append(await peer.text())
        await say_goodbye(peer)

    async with (
        listening(serve) as url,
        connected(url) as (client, _),
        anyio.create_task_group() as senders,
    ):
        for message in messages:
            senders.start_soon(client.send, message)
    assert sorted(received) == sorted(map(jsonrpc.serialize, messages))


async def test_cancellation_is_simply_sent() -> None:
    """Chosen: the server is told like of any other message."""
    cancelled = jsonrpc.notification("notifications/cancelled", {"requestId": 1})

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await peer.text() == jsonrpc.serialize(cancelled)
        await say_goodbye(peer)

    async with listening(serve) as url, connected(url) as (client, _):
        await client.send(cancelled)


async def test_what_is_no_json_is_refused() -> None:
    """Spec of `Transport`. The transport lives on."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await peer.text() == TEXT
        await say_goodbye(peer)

    async with listening(serve) as url, connected(url) as (client, _):
        with pytest.raises(ValueError, match="surrogate"):
            await client.send(jsonrpc.result(1, {"text": "\ud800"}))
        await client.send(PING)


async def test_close_lets_those_go_who_wait_for_the_server_to_read() -> None:
    """We promise it: who sends learns that it is closed."""
    refused: list[str] = []

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await is_over.wait()

    async def send(client: WebSocketClientTransport, message: Message) -> None:
        try:
            await client.send(message)
        except TransportClosed as error:
            refused.append(str(error))

    is_over = anyio.Event()
    async with listening(serve) as url:
        async with (
            connected(url) as (client, _),
            anyio.create_task_group() as senders,
        ):
            senders.start_soon(send, client, BIG)
            await wait_all_tasks_blocked()
            senders.start_soon(send, client, PING)
            await wait_all_tasks_blocked()
            assert refused == []
            await client.close()
        is_over.set()
    assert refused == ["cannot send: the WebSocket was closed with 1000"] * 2


async def test_task_that_is_cancelled_while_it_sends_goes_at_once() -> None:
    """Chosen: a frame is never cut short, and no task waits for it in vain."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await may_read.wait()
        assert await peer.text() == jsonrpc.serialize(BIG)
        assert await peer.text() == TEXT
        await say_goodbye(peer)

    may_read = anyio.Event()
    async with listening(serve) as url, connected(url) as (client, _):
        async with anyio.create_task_group() as senders:
            senders.start_soon(client.send, BIG)
            await wait_all_tasks_blocked()
            # This one waits for its turn, and is not sent.
            senders.start_soon(client.send, PONG)
            await wait_all_tasks_blocked()
            senders.cancel_scope.cancel()
        async with anyio.create_task_group() as senders:
            senders.start_soon(client.send, PING)
            await wait_all_tasks_blocked()
            may_read.set()


async def test_server_that_goes_while_it_is_sent_to_ends_the_send() -> None:
    """Spec of `Transport`: raises `TransportClosed`."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.stream.receive()

    async with listening(serve) as url, connected(url) as (client, witness):
        with pytest.raises(TransportClosed):
            await client.send(BIG)
        await witness.until_closed()
    assert len(witness.errors) == 1


# Silence ------------------------------------------------------------------------


async def test_server_that_answers_pings_may_be_silent() -> None:
    """Chosen: only a server that is gone is given up."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        for _ in range(5):
            ping = await peer.frame()
            assert ping.opcode is Opcode.PING
            await peer.stream.send(frame(Opcode.PONG, bytes(ping.data)))
        await peer.send_text(TEXT)
        await say_goodbye(peer)

    async with (
        listening(serve) as url,
        connected(url, ping_seconds=0.05) as (_, witness),
    ):
        await witness.until_messages(1)
    assert witness.errors == []


async def test_server_that_answers_no_ping_is_given_up() -> None:
    """Chosen: a connection may be half-open, and nothing else tells so."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert (await peer.frame()).opcode is Opcode.PING
        said = "the server answers no ping; silent for 0.1s"
        assert await peer.close_frame() == (1011, said)

    async with (
        listening(serve) as url,
        connected(url, ping_seconds=0.05) as (client, witness),
    ):
        await witness.until_closed()
        with pytest.raises(TransportClosed, match="answers no ping"):
            await client.send(PING)
    [error] = witness.errors
    assert type(error) is TransportClosed


async def test_server_that_neither_reads_nor_answers_is_given_up() -> None:
    """We promise it: no task waits for a server that is gone, not even to send."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await is_over.wait()

    is_over = anyio.Event()
    async with listening(serve) as url:
        async with connected(url, ping_seconds=0.05) as (client, witness):
            with pytest.raises(TransportClosed, match="answers no ping"):
                await client.send(BIG)
            await witness.until_closed()
        is_over.set()


async def test_silence_is_not_the_servers_while_no_task_listens() -> None:
    """Chosen: while a message is being taken, nothing is read, no pong either."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await peer.text() == TEXT
        await peer.send_text(TEXT)
        assert await peer.close_frame() == (1000, "")

    async def take_slowly(message: Message, sender: Sender) -> None:
        with anyio.move_on_after(0.3):
            await anyio.sleep_forever()
        await take(message, sender)

    async with listening(serve) as url:
        transport = WebSocketClientTransport(url, ping_seconds=0.1)
        witness = Witness(transport)
        take, transport.on_message = transport.on_message, take_slowly
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await transport.send(PING)
                await witness.until_messages(1)
                await transport.close()
    assert witness.errors == []


async def test_pings_can_be_left_out() -> None:
    """Chosen: some servers know none."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert (await peer.frame()).opcode is Opcode.CLOSE

    async with listening(serve) as url, connected(url, ping_seconds=math.inf):
        await wait_all_tasks_blocked()


# Closing ------------------------------------------------------------------------


async def test_close_waits_for_the_server_to_agree() -> None:
    """RFC 6455, 7.1.1: what is still under way is read, and not delivered."""
    order: list[str] = []

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await peer.close_frame() == (1000, "")
        await peer.send_text(TEXT)
        order.append("server")
        await peer.stream.send(closing(1000))

    async with listening(serve) as url, connected(url) as (client, witness):
        await client.close()
        order.append("client")
        await client.close()
        assert witness.closed == 1
    assert order == ["server", "client"]
    assert (witness.messages, witness.errors) == ([], [])


async def test_close_waits_no_longer_than_a_second() -> None:
    """We promise it: a server that does not answer holds no task up."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.until_gone()

    async with listening(serve) as url, connected(url) as (client, witness):
        with anyio.fail_after(PATIENCE_SECONDS):
            await client.close()
    assert witness.errors == []


@pytest.mark.parametrize("by", ["driver", "other"])
async def test_close_while_a_message_is_being_taken(by: str) -> None:
    """Spec of `Transport`: the task that takes it may close, or is cancelled."""
    outcome: list[str] = []
    is_taking = anyio.Event()

    async def serve(peer: Peer) -> None:
        # What follows is bad, and not looked at any more.
        await peer.accept(more=frame(Opcode.TEXT, TEXT) + frame(Opcode.BINARY, b""))
        assert await say_goodbye(peer) == (1000, "")

    async def take(message: Message, sender: Sender) -> None:
        is_taking.set()
        if by == "driver":
            await transport.close()
            outcome.append("closed")
            return
        try:
            await anyio.sleep_forever()
        finally:
            outcome.append("cancelled")

    async with listening(serve) as url:
        transport = WebSocketClientTransport(url)
        witness = Witness(transport)
        transport.on_message = take
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await is_taking.wait()
                if by == "other":
                    await transport.close()
    assert outcome == ["closed" if by == "driver" else "cancelled"]
    assert (witness.closed, witness.errors) == (1, [])


async def test_close_before_anything_has_run() -> None:
    """We promise it: it is clean at any moment."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await say_goodbye(peer) == (1000, "")

    async with listening(serve) as url, connected(url) as (client, witness):
        await client.close()
    assert witness.closed == 1


async def test_tasks_that_are_cancelled_close_the_connection() -> None:
    """We promise it: the server is told, and nothing is left."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.text()
        assert await say_goodbye(peer) == (1000, "")

    async with listening(serve) as url:
        transport = WebSocketClientTransport(url)
        witness = Witness(transport)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                await transport.send(PING)
                tasks.cancel_scope.cancel()
    assert (witness.closed, witness.errors) == (1, [])


async def test_tasks_that_are_cancelled_at_once_close_the_connection() -> None:
    """We promise it: also before they have begun."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        assert await say_goodbye(peer) == (1000, "")

    async with listening(serve) as url:
        transport = WebSocketClientTransport(url)
        witness = Witness(transport)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
                tasks.cancel_scope.cancel()
    assert (witness.closed, witness.errors) == (1, [])


async def test_task_that_closes_may_be_cancelled() -> None:
    """Spec of `Transport`: closing is shielded."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.close_frame()
        closer.cancel()
        await peer.stream.send(closing(1000))

    closer = anyio.CancelScope()
    async with listening(serve) as url, connected(url) as (client, witness):
        with closer:
            await client.close()
        assert witness.closed == 1
        with pytest.raises(TransportClosed, match="was closed with 1000"):
            await client.send(PING)


async def test_transport_that_is_not_open_sends_nothing() -> None:
    """Spec of `Transport`: not before `start`, nor after `close`."""
    transport = WebSocketClientTransport("ws://127.0.0.1/")
    witness = Witness(transport)
    for _ in range(2):
        with pytest.raises(TransportClosed, match="is not open"):
            await transport.send(PING)
        await transport.close()
    assert witness.closed == 1


# A server that others wrote -----------------------------------------------------


@pytest.fixture
async def real_server() -> AsyncIterator[str]:
    """Run a server of the library `websockets`, which sends back what it is sent."""

    async def echo(connection: ServerConnection) -> None:
        assert connection.subprotocol == "mcp"
        async for text in connection:
            assert isinstance(text, str)
            if "bye" in text:
                await connection.close(1008, "as you wish")
            await connection.send(text)

    def admit(
        connection: ServerConnection,
        request: Request,
    ) -> Response | None:
        if request.headers.get("Authorization") != "Bearer good":
            return connection.respond(401, "who are you?")
        return None

    async with serve_websocket(
        echo,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("mcp")],
        process_request=admit,
        ping_interval=0.05,
        max_size=None,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


GOOD = {"authorization": "Bearer good"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_real_server_echoes(real_server: str) -> None:
    """Chosen: also messages of many megabytes, and pings of the server's."""
    async with connected(real_server, headers=GOOD, max_received_bytes=2**25) as (
        client,
        witness,
    ):
        for message in (PING, BIG, PONG):
            await client.send(message)
        assert await witness.until_messages(3) == [PING, BIG, PONG]
    assert witness.errors == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_real_server_closes(real_server: str) -> None:
    """Chosen: its code and reason are told."""
    async with connected(real_server, headers=GOOD) as (client, witness):
        await client.send(jsonrpc.notification("bye"))
        await witness.until_closed()
    [error] = witness.errors
    assert str(error) == "the server closed the WebSocket with 1008 ('as you wish')"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_real_server_refuses(real_server: str) -> None:
    """Chosen: as over HTTP."""
    transport = WebSocketClientTransport(real_server)
    async with anyio.create_task_group() as tasks:
        with pytest.raises(HTTPRefused) as caught:
            await transport.start(tasks)
    assert (caught.value.status, caught.value.body) == (401, "who are you?")
