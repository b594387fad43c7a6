"""The server's half of HTTP+SSE: the account of what a client has read."""

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import JSONRPCRequest, RequestId

from mcp_django.exceptions import MessageTooLarge, ReaderTooSlow, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    EventStreamDecoder,
    ServerSentEvent,
    encode_event,
)
from mcp_django.transports.server.flow_control import Flow
from mcp_django.transports.server.sse import SSEServerTransport, StreamLimits
from mcp_django.transports.server.unread import Account, Unread, UnreadLimits
from tests.transports.reader import Reader
from tests.transports.witness import PATIENCE_SECONDS, Witness

LIMITS = StreamLimits(
    max_event_bytes=1000,
    unconfirmed_bytes=1000,
    max_held_bytes=2000,
    max_held_seconds=300.0,
    keep_alive_seconds=15.0,
)
ENDPOINT = "/mcp/messages?session_id=abc"
ALICE = Sender(user="alice")


class Client:
    """A client that reads what is written to it, but answers only when told."""

    def __init__(
        self,
        limits: StreamLimits = LIMITS,
        *,
        flow: Flow | None = None,
        account: Account | None = None,
    ) -> None:
        self.now = 1000.0
        self.written = b""
        self._decoder = EventStreamDecoder(1_000_000)
        self.events: list[ServerSentEvent] = []
        self.transport = SSEServerTransport(
            self._write,
            endpoint=ENDPOINT,
            limits=limits,
            flow=flow,
            account=account,
            clock=lambda: self.now,
        )
        self.witness = Witness(self.transport)

    async def _write(self, chunk: bytes) -> None:
        self.written += chunk
        self.events += self._decoder.feed(chunk)

    @property
    def messages(self) -> list[Message]:
        """What it received beside pings."""
        return [m for m in self._received() if not is_ping(m)]

    @property
    def pings(self) -> list[RequestId]:
        """The ids of the pings it received."""
        return [
            message.id
            for message in self._received()
            if isinstance(message, JSONRPCRequest) and message.method == "ping"
        ]

    def _received(self) -> list[Message]:
        texts = [event.data for event in self.events if event.event == "message"]
        parsed = [jsonrpc.parse(text) for text in texts]
        return [message for message in parsed if not isinstance(message, list)]

    async def answer_ping(self) -> None:
        await self.post(jsonrpc.result(self.pings[-1], {}))

    async def post(self, message: Message) -> None:
        await self.transport.receive(message, ALICE)


def is_ping(message: Message) -> bool:
    return getattr(message, "method", None) == "ping"


def sized(number: int, size: int = 500) -> Message:
    """Make a message whose event has so many bytes."""
    empty = jsonrpc.result(number, {"text": ""})
    rest = size - len(encode_event("message", jsonrpc.serialize(empty)))
    return jsonrpc.result(number, {"text": "x" * rest})


async def send_all(client: Client, *messages: Message) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        for message in messages:
            await client.transport.send(message)


async def start(client: Client) -> None:
    """Start the transport, and forget what that wrote."""
    async with anyio.create_task_group() as tasks:
        await client.transport.start(tasks)


# Passing on -------------------------------------------------------------------------


async def test_stream_begins_with_the_endpoint_and_a_comment() -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE". That a comment follows is
    our choice: proxies that wait for a kilobyte, or for a line, learn at once."""
    client = Client()
    await start(client)
    assert client.written == (
        b"event: endpoint\r\ndata: /mcp/messages?session_id=abc\r\n\r\n" + KEEP_ALIVE
    )


async def test_message_is_written_as_one_event() -> None:
    """Spec: 2024-11-05 basic/transports: "message" events with JSON data."""
    client = Client()
    await send_all(client, jsonrpc.result(1, {"text": "a\nb"}))
    assert client.written == (
        b"event: message\r\n"
        b'data: {"jsonrpc":"2.0","id":1,"result":{"text":"a\\nb"}}\r\n\r\n'
    )


async def test_posted_message_is_delivered_with_its_sender() -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE"."""
    client = Client()
    request = jsonrpc.request(1, "tools/list", None)
    await client.post(request)
    assert client.witness.messages == [request]
    assert client.witness.senders == [ALICE]


async def test_message_that_is_too_large_is_refused_and_the_stream_goes_on() -> None:
    """Our choice: official clients drop the connection above their limit."""
    client = Client()
    with pytest.raises(MessageTooLarge) as caught:
        await client.transport.send(sized(1, 1001))
    assert (caught.value.size, caught.value.limit) == (1001, 1000)
    assert client.written == b""
    await send_all(client, sized(2, 1000))
    assert client.messages == [sized(2, 1000)]


async def test_message_that_cannot_be_written_is_refused() -> None:
    """Our choice: the sender learns of it, the client sees nothing."""
    client = Client()
    with pytest.raises(ValueError, match="surrogates"):
        await client.transport.send(jsonrpc.result(1, {"text": "\ud800"}))
    assert client.written == b""


# Holding ----------------------------------------------------------------------------


async def test_no_ping_follows_the_last_message() -> None:
    """Our choice: a ping behind the last result crashes some clients at close."""
    client = Client()
    await send_all(client, sized(1), sized(2))
    assert client.messages == [sized(1), sized(2)]
    assert client.pings == []


async def test_message_after_the_unconfirmed_bytes_is_held_behind_a_ping() -> None:
    """Our choice: nobody below waits for a slow reader."""
    client = Client()
    await send_all(client, sized(1), sized(2), sized(3), sized(4))
    assert client.messages == [sized(1), sized(2)]
    assert client.pings == ["ping-1"], "one ping, however much is held"


async def test_what_is_held_follows_the_answer_to_the_ping_in_order() -> None:
    """Our choice: an answered ping shows that the client has read all before it."""
    client = Client()
    await send_all(client, *map(sized, range(6)))
    assert client.messages == [sized(0), sized(1)]
    await client.answer_ping()
    assert client.messages == [sized(0), sized(1), sized(2), sized(3)]
    assert client.pings == ["ping-1", "ping-2"]
    await client.answer_ping()
    assert client.messages == [*map(sized, range(6))]
    assert client.pings == ["ping-1", "ping-2"]
    assert client.witness.messages == [], "the pings are the transport's own"


async def test_keep_alives_count_as_bytes() -> None:
    """Our choice: whatever waits in the client's buffer is counted."""
    client = Client()
    for _ in range(1000 // len(KEEP_ALIVE) + 1):
        client.now += 15
        await client.transport.tick()
    await send_all(client, sized(1))
    assert (client.messages, client.pings) == ([], ["ping-1"])


async def test_error_answers_a_ping_as_well() -> None:
    """Our choice: a client that knows no ping has read it all the same."""
    client = Client()
    await send_all(client, *map(sized, range(3)))
    await client.post(jsonrpc.error("ping-1", -32601, "unknown method"))
    assert len(client.messages) == 3


@pytest.mark.parametrize("id", ["ping-2", "ping-0", 1, None])
async def test_answer_to_something_else_confirms_nothing(id: RequestId | None) -> None:
    """Our choice: it is the driver's to judge."""
    client = Client()
    await send_all(client, *map(sized, range(3)))
    answer = jsonrpc.error(id, -1, "no")
    await client.post(answer)
    assert client.witness.messages == [answer]
    assert len(client.messages) == 2


async def test_late_answer_to_an_older_ping_confirms_nothing() -> None:
    """Our choice: only the newest ping stands behind all that was written."""
    client = Client()
    await send_all(client, *map(sized, range(6)))
    await client.answer_ping()
    await client.post(jsonrpc.result("ping-1", {}))
    assert len(client.messages) == 4
    assert client.witness.messages == [jsonrpc.result("ping-1", {})]


async def test_client_that_answers_is_never_cut() -> None:
    """Our choice: the account is of what is unconfirmed, not of what was sent."""
    client = Client()
    for number in range(100):
        await send_all(client, sized(number))
        if len(client.messages) < number + 1:
            await client.answer_ping()
    assert client.messages == [*map(sized, range(100))]
    assert client.witness.closed == 0


# Closing ----------------------------------------------------------------------------


async def test_client_that_leaves_no_room_is_cut_soon() -> None:
    """Our choice: a client that stops reading costs bounded memory, and senders
    wait for no longer than ten seconds."""
    client = Client()
    await send_all(client, *map(sized, range(6)))
    assert client.transport.is_congested, "two written, 2,000 bytes held"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_in_vain, client, sized(6, 100))
        await wait_all_tasks_blocked()
        client.now += 10
        await client.transport.tick()
        assert client.witness.closed == 0
        client.now += 1
        await client.transport.tick()
    assert client.witness.closed == 1
    assert client.transport.is_closed
    assert [str(error) for error in client.witness.errors] == [
        "the client does not read: 2000 bytes wait"
    ]


async def send_in_vain(client: Client, message: Message) -> None:
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(TransportClosed):
        await client.transport.send(message)


async def test_message_without_room_waits_for_a_client_that_is_busy() -> None:
    """Our choice: a client that asks for much at once, and reads it, is not cut."""
    client = Client()
    await send_all(client, *map(sized, range(6)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all, client, sized(6))
        await wait_all_tasks_blocked()
        assert len(client.messages) == 2
        for _ in range(3):
            await client.answer_ping()
            await wait_all_tasks_blocked()
    assert client.messages == [*map(sized, range(7))]
    assert client.witness.closed == 0
    assert client.transport.is_congested is False


async def test_client_that_holds_something_for_too_long_is_cut() -> None:
    """Our choice: five minutes, however little it is."""
    client = Client()
    await send_all(client, *map(sized, range(3)))
    client.now += 300
    await client.transport.tick()
    assert client.witness.closed == 0
    client.now += 1
    await client.transport.tick()
    await client.transport.tick()
    assert client.witness.closed == 1
    assert [str(error) for error in client.witness.errors] == [
        "the client does not read: 500 bytes wait"
    ]


async def test_time_of_holding_begins_anew_with_each_answer() -> None:
    """Our choice: a slow client that goes on is not cut."""
    client = Client()
    await send_all(client, *map(sized, range(6)))
    client.now += 299
    await client.answer_ping()
    client.now += 299
    await client.transport.tick()
    assert client.witness.closed == 0
    client.now += 2
    await client.transport.tick()
    assert client.witness.closed == 1


async def test_client_that_reads_all_is_not_cut_however_silent() -> None:
    """Our choice: an idle stream holds nothing."""
    client = Client()
    await send_all(client, sized(1), sized(2))
    client.now += 100_000
    await client.transport.tick()
    assert client.witness.closed == 0


async def test_closed_stream_takes_nothing() -> None:
    """Our choice: `TransportClosed` in both directions, and no byte after the end."""
    client = Client()
    await send_all(client, *map(sized, range(3)))
    await client.transport.close()
    await client.transport.close()
    before = client.written
    with pytest.raises(TransportClosed):
        await client.transport.send(sized(4))
    with pytest.raises(TransportClosed):
        await client.post(jsonrpc.request(1, "tools/list", None))
    with pytest.raises(TransportClosed):
        await client.answer_ping()
    client.now += 1000
    await client.transport.tick()
    assert client.written == before
    assert (client.witness.closed, client.witness.messages) == (1, [])


# Clients that owe an answer ---------------------------------------------------------

ASK = jsonrpc.request("ask-1", "elicitation/create", {"message": "Really?"})
WITHDRAWN = jsonrpc.notification(
    "notifications/cancelled", {"requestId": "ask-1", "reason": "too late"}
)


async def fill(client: Client) -> None:
    """Ask the client something, and fill its room."""
    await send_all(client, ASK, *map(sized, range(6)))
    assert client.messages == [ASK, sized(0), sized(1)]


async def send_one_more(client: Client, tasks: TaskGroup) -> list[str]:
    """Send what has no room; the list tells how that ended."""
    outcome: list[str] = []

    async def send() -> None:
        try:
            await client.transport.send(sized(6))
        except TransportClosed:
            outcome.append("closed")
        else:
            outcome.append("taken")

    tasks.start_soon(send)
    await wait_all_tasks_blocked()
    return outcome


async def test_client_that_owes_an_answer_is_waited_for() -> None:
    """Our choice: some clients answer no ping while their user ponders. What has no
    room waits where it is, so that nothing grows."""
    client = Client()
    await fill(client)
    async with anyio.create_task_group() as tasks:
        outcome = await send_one_more(client, tasks)
        assert outcome == []
        client.now += 10_000
        await client.transport.tick()
        assert client.witness.closed == 0
        await client.post(jsonrpc.result("ask-1", {"action": "decline"}))
        await client.answer_ping()
        await wait_all_tasks_blocked()
        assert outcome == ["taken"]
    await client.answer_ping()
    await client.answer_ping()
    assert client.messages == [ASK, *map(sized, range(7))]


async def test_client_that_has_answered_is_cut_as_any_other() -> None:
    """Our choice: only a client that owes is waited for."""
    client = Client()
    await fill(client)
    await client.post(jsonrpc.result("ask-1", {"action": "decline"}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_in_vain, client, sized(6))
        await wait_all_tasks_blocked()
        client.now += 11
        await client.transport.tick()
    assert client.witness.closed == 1


async def test_answer_of_a_client_is_a_sign_of_life() -> None:
    """Our choice: some clients answer a ping only after their user's dialog, however
    long that was."""
    client = Client()
    await send_all(client, ASK, *map(sized, range(3)))
    client.now += 500
    await client.post(jsonrpc.result("ask-1", {"action": "decline"}))
    await client.transport.tick()
    assert client.witness.closed == 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all, client, *map(sized, range(3, 7)))
        await wait_all_tasks_blocked()
        client.now += 9
        await client.transport.tick()
        assert client.witness.closed == 0
        for _ in range(3):
            await client.answer_ping()
            await wait_all_tasks_blocked()
    assert client.messages == [ASK, *map(sized, range(7))]


async def test_ten_seconds_count_from_when_there_was_no_room() -> None:
    """Our choice: what was held before, and how long, is another matter."""
    client = Client()
    await send_all(client, *map(sized, range(3)))
    client.now += 200
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_in_vain_all, client, *map(sized, range(3, 7)))
        await wait_all_tasks_blocked()
        client.now += 10
        await client.transport.tick()
        assert client.witness.closed == 0
        client.now += 1
        await client.transport.tick()
    assert client.witness.closed == 1


async def send_in_vain_all(client: Client, *messages: Message) -> None:
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(TransportClosed):
        for message in messages:
            await client.transport.send(message)


async def test_driver_is_told_when_the_client_has_caught_up() -> None:
    """Our choice: it may have held requests back meanwhile."""
    client = Client()
    told: list[bool] = []
    client.transport.on_clear = lambda: told.append(client.transport.is_congested)
    await send_all(client, *map(sized, range(6)))
    assert client.transport.is_congested
    await client.answer_ping()
    assert told == []
    await client.answer_ping()
    assert client.transport.is_congested, "as much again is unconfirmed"
    await send_all(client, sized(6))
    await client.answer_ping()
    assert told == [False]


async def test_client_owes_nothing_once_the_question_is_withdrawn() -> None:
    """Our choice: the withdrawal itself may find no room, and counts all the same."""
    client = Client()
    await fill(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_in_vain, client, WITHDRAWN)
        await wait_all_tasks_blocked()
        client.now += 11
        await client.transport.tick()
    assert client.witness.closed == 1


async def test_message_that_waits_for_room_ends_with_the_stream() -> None:
    """Our choice: whatever waits for a transport ends with it."""
    client = Client()
    await fill(client)
    async with anyio.create_task_group() as tasks:
        outcome = await send_one_more(client, tasks)
        await client.transport.close()
    assert outcome == ["closed"]


async def test_client_that_still_does_not_read_is_cut_after_its_answer() -> None:
    """Our choice: as without a question."""
    client = Client()
    await fill(client)
    async with anyio.create_task_group() as tasks:
        outcome = await send_one_more(client, tasks)
        await client.post(jsonrpc.error("ask-1", -1, "User rejected"))
        client.now += 11
        await client.transport.tick()
    assert outcome == ["closed"]


# Ticking ----------------------------------------------------------------------------


async def test_silent_stream_is_kept_alive() -> None:
    """Our choice: a comment every `keep_alive_seconds` of silence."""
    client = Client()
    await start(client)
    before = client.written
    client.now += 14.9
    await client.transport.tick()
    assert client.written == before
    client.now += 0.1
    await client.transport.tick()
    assert client.written == before + KEEP_ALIVE
    await client.transport.tick()
    assert client.written == before + KEEP_ALIVE


async def test_messages_keep_a_stream_alive_as_well() -> None:
    """Our choice: no comment where something was written."""
    client = Client()
    await start(client)
    client.now += 14
    await send_all(client, sized(1))
    before = client.written
    client.now += 14
    await client.transport.tick()
    assert client.written == before


async def test_tick_waits_for_no_write() -> None:
    """Our choice: whoever ticks all streams must not wait for a slow one."""
    unblocked = anyio.Event()
    written: list[bytes] = []

    async def write(chunk: bytes) -> None:
        await unblocked.wait()
        written.append(chunk)

    now = 1000.0
    transport = SSEServerTransport(
        write, endpoint=ENDPOINT, limits=LIMITS, clock=lambda: now
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.send, sized(1))
        await wait_all_tasks_blocked()
        now += 100
        with anyio.fail_after(PATIENCE_SECONDS):
            await transport.tick()
        assert written == []
        unblocked.set()
    assert len(written) == 1


async def test_close_while_a_message_is_written_drops_what_waits_behind() -> None:
    """Our choice: `close` waits for nobody, and nothing is written after it."""
    unblocked = anyio.Event()
    written: list[bytes] = []

    async def write(chunk: bytes) -> None:
        await unblocked.wait()
        written.append(chunk)

    transport = SSEServerTransport(write, endpoint=ENDPOINT, limits=LIMITS)
    witness = Witness(transport)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.send, sized(1))
        await wait_all_tasks_blocked()
        await transport.send(sized(2))
        with anyio.fail_after(PATIENCE_SECONDS):
            await transport.close()
        unblocked.set()
    assert (len(written), witness.closed) == (1, 1)


# What is not read yet ---------------------------------------------------------------


def budget(most: int) -> Unread:
    return Unread(lambda: UnreadLimits(10 * most, most))


def id_of(message: Message) -> Any:
    return getattr(message, "id", None)


def answer(number: int, size: int = 500) -> bytes:
    return jsonrpc.serialize(sized(number, size))


async def test_what_waits_counts_until_the_client_has_shown_that_it_reads() -> None:
    """We promise it: MCP["MAX_UNREAD_BYTES"], for what is held and what waits."""
    unread = budget(10_000)
    client = Client(account=Account(unread, "ann"))
    async with anyio.create_task_group() as tasks:
        for number in range(2):
            await client.transport.send_answer(answer(number))
        assert unread.total == 0
        for number in range(2, 7):  # the last of them waits for room
            tasks.start_soon(client.transport.send_answer, answer(number))
        await wait_all_tasks_blocked()
        assert unread.bytes_of("ann") == 5 * 500
        while len(client.messages) < 7:
            await client.answer_ping()
            await wait_all_tasks_blocked()
    assert unread.total == 0
    assert sorted(client.messages, key=id_of) == [sized(number) for number in range(7)]


async def test_answer_for_which_there_is_no_room_is_refused() -> None:
    """We promise it: whoever answers can say so. A notification waits as ever."""
    unread = budget(1200)
    client = Client(account=Account(unread, "ann"))
    for number in range(4):
        await client.transport.send_answer(answer(number))
    with pytest.raises(ReaderTooSlow):
        await client.transport.send_answer(answer(5))
    with pytest.raises(ReaderTooSlow):
        await client.transport.send(sized(5))
    await client.transport.send(jsonrpc.notification("n", {"text": "x" * 300}))
    assert client.transport.is_congested
    await client.transport.close()
    assert unread.total == 0


async def test_what_is_large_counts_until_it_is_taken() -> None:
    """We promise it: also what is not held, for it lies in the server's buffer."""
    limits = StreamLimits(10**6, 10**6, 10**6, 300.0, 15.0)
    unread, flow = budget(10**6), Reader()
    client = Client(limits, flow=flow, account=Account(unread, "ann"))
    await start(client)
    flow.stop()
    await client.transport.send_answer(answer(1, 100_000))
    assert unread.bytes_of("ann") == 100_000
    flow.read()
    assert unread.total == 0
    await client.transport.send_answer(answer(2, 100_000))
    assert unread.total == 0


async def test_user_with_much_to_read_on_another_stream_holds_up_this_one() -> None:
    """Chosen: no more handlers run side by side than do now."""
    unread = budget(1000)
    client = Client(account=Account(unread, "ann"))
    other = Account(unread, "ann")
    assert not client.transport.is_congested
    other.take(500)
    assert client.transport.is_congested
    # What is answered meanwhile goes at once, where this stream is read.
    await client.transport.send_answer(answer(1))
    assert unread.bytes_of("ann") == 500
    other.close()
    assert not client.transport.is_congested


async def test_cancelled_answer_is_counted_no_longer() -> None:
    """We promise it: the budget comes back, however a handler ends."""
    unread = budget(10_000)
    client = Client(account=Account(unread, "ann"))
    for number in range(6):
        await client.transport.send_answer(answer(number))
    counted = unread.total
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.transport.send_answer, answer(7))
        await wait_all_tasks_blocked()
        assert unread.total == counted + 500
        tasks.cancel_scope.cancel()
    assert unread.total == counted


# Whether anybody is there -----------------------------------------------------------


async def test_client_that_posts_anything_is_heard() -> None:
    """Chosen: an answer to the ping is only the likeliest sign of life."""
    client = Client()
    client.now += 100.0
    assert client.transport.heard_seconds_ago == 100.0
    found: list[bool] = []

    async def ask() -> None:
        found.append(await client.transport.is_heard(PATIENCE_SECONDS))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await wait_all_tasks_blocked()
        assert len(client.pings) == 1
        await client.post(jsonrpc.notification("notifications/initialized"))
    assert found == [True, True]
    assert client.transport.heard_seconds_ago == 0.0
    assert not await client.transport.is_heard(0.01)


async def test_client_whose_user_ponders_need_not_be_heard() -> None:
    """Chosen: some clients do nothing else meanwhile."""
    client = Client()
    await send_all(client, jsonrpc.request("q", "elicitation/create", {}))
    client.now += 1000.0
    assert client.transport.heard_seconds_ago == 0.0
    assert client.transport.unread_seconds == 0.0


async def test_stream_through_which_nothing_passes_ends() -> None:
    """We promise it: after MCP["MAX_HELD_SECONDS"], however little is unread."""
    flow = Reader()
    client = Client(flow=flow)
    await start(client)
    flow.stop()
    await client.transport.tick()
    client.now += 299.0
    await client.transport.tick()
    assert client.transport.unread_seconds == 299.0
    assert not client.transport.is_closed
    client.now += 2.0
    await client.transport.tick()
    assert client.transport.is_closed
