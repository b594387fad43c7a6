"""Two ends in one process."""

from datetime import date

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked

from mcp_django.exceptions import TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import memory_transports
from tests.patience import PATIENCE_SECONDS
from tests.transports.witness import Witness

PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})


def numbered(count: int) -> list[Message]:
    return [jsonrpc.request(number, "ping", None) for number in range(count)]


async def test_messages_arrive_in_order_with_their_sender() -> None:
    """Our choice: each end says whom the other is to name."""
    alice, shop = Sender(user="alice"), Sender(user="shop")
    client, server = memory_transports(client=alice, server=shop)
    at_client, at_server = Witness(client), Witness(server)
    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        await server.start(tasks)
        for message in numbered(20):
            await client.send(message)
        await server.send(PONG)
        assert await at_server.until_messages(20) == numbered(20)
        assert await at_client.until_messages(1) == [PONG]
        assert {sender.user for sender in at_server.senders} == {alice.user}
        assert {sender.user for sender in at_client.senders} == {shop.user}
        await client.close()


async def test_what_no_wire_can_carry_is_not_sent() -> None:
    """Our choice: tests in memory hide nothing."""
    client, server = memory_transports()
    at_server = Witness(server)
    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        await server.start(tasks)
        for unfit in (object(), "\ud800"):
            with pytest.raises(ValueError, match="serializ"):
                await client.send(jsonrpc.request(1, "x", {"value": unfit}))
        await client.send(PING)
        assert await at_server.until_messages(1) == [PING]
        await client.close()


async def test_other_end_gets_what_would_be_read_from_a_wire() -> None:
    """Our choice: JSON, and nothing that is shared with whoever sent it."""
    client, server = memory_transports()
    at_server = Witness(server)
    inner: list[int] = [1]
    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        await server.start(tasks)
        sent = {"date": date(2026, 7, 28), "pair": (1, 2), "inner": inner}
        await client.send(jsonrpc.request(1, "x", sent))
        [message] = await at_server.until_messages(1)
        inner.append(2)
        assert message == jsonrpc.request(
            1, "x", {"date": "2026-07-28", "pair": [1, 2], "inner": [1]}
        )
        await client.close()


@pytest.mark.parametrize("buffer", [-1, float("inf")])
def test_buffer_is_bounded(buffer: int) -> None:
    """Our choice: every queue is bounded."""
    with pytest.raises(ValueError, match="a bounded number of messages"):
        memory_transports(buffer=buffer)


async def test_send_waits_while_the_other_end_does_not_read() -> None:
    """Our choice: a slow reader slows its sender, and costs no memory."""
    client, server = memory_transports(buffer=2)
    at_server = Witness(server)
    sent: list[Message] = []

    async def send_all() -> None:
        for message in numbered(5):
            await client.send(message)
            sent.append(message)

    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        tasks.start_soon(send_all)
        await wait_all_tasks_blocked()
        assert sent == numbered(2)
        await server.start(tasks)
        assert await at_server.until_messages(5) == numbered(5)
        await client.close()


async def test_closing_one_end_closes_the_other_after_what_was_sent() -> None:
    """Our choice: nothing that `send` took is lost."""
    client, server = memory_transports()
    at_client, at_server = Witness(client), Witness(server)
    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        for message in numbered(3):
            await client.send(message)
        await client.close()
        await client.close()
        await server.start(tasks)
        await at_server.until_closed()
    assert at_server.messages == numbered(3)
    assert (at_client.closed, at_server.closed) == (1, 1)
    assert (at_client.errors, at_server.errors) == ([], [])


async def test_closed_transport_sends_nothing() -> None:
    """Our choice: `TransportClosed` at either end."""
    client, server = memory_transports()
    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        await server.start(tasks)
        await server.close()
        for transport in (client, server):
            with pytest.raises(TransportClosed):
                await transport.send(PING)


async def test_end_that_learns_of_the_close_by_sending_closes() -> None:
    """Our choice: whoever sends learns at once."""
    client, server = memory_transports()
    at_client = Witness(client)
    await server.close()
    with pytest.raises(TransportClosed):
        await client.send(PING)
    assert at_client.closed == 1


@pytest.mark.parametrize("closes", ["client", "server"])
async def test_send_that_waits_ends_when_either_end_closes(closes: str) -> None:
    """Our choice: whatever waits for a transport ends with it."""
    client, server = memory_transports(buffer=0)
    outcome: list[str] = []

    async def send() -> None:
        with pytest.raises(TransportClosed):
            await client.send(PING)
        outcome.append("closed")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        await wait_all_tasks_blocked()
        await {"client": client, "server": server}[closes].close()
        with anyio.fail_after(PATIENCE_SECONDS):
            while not outcome:
                await anyio.lowlevel.checkpoint()
        await client.close()
        await server.close()


@pytest.mark.parametrize("other_is_started", [True, False])
async def test_close_ends_the_task_that_reads(other_is_started: bool) -> None:
    """Our choice: its tasks end when a transport closes, whatever the other end
    does."""
    client, server = memory_transports()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await server.start(tasks)
            if other_is_started:
                await client.start(tasks)
            await wait_all_tasks_blocked()
            await server.close()
    await client.close()


async def test_close_interrupts_the_message_that_is_being_taken() -> None:
    """Our choice: nothing is delivered by a closed transport."""
    client, server = memory_transports()
    taken: list[Message] = []

    async def take_for_ever(message: Message, sender: Sender) -> None:
        taken.append(message)
        await anyio.sleep_forever()

    server.on_message = take_for_ever
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await server.start(tasks)
            for message in numbered(2):
                await client.send(message)
            await wait_all_tasks_blocked()
            await server.close()
    await client.close()
    assert taken == numbered(1)


async def test_driver_may_close_while_it_takes_a_message() -> None:
    """Our choice: a driver that has enough closes at once."""
    client, server = memory_transports()
    at_client = Witness(client)

    async def close(message: Message, sender: Sender) -> None:
        await server.close()

    server.on_message = close
    async with anyio.create_task_group() as tasks:
        await client.start(tasks)
        await server.start(tasks)
        await client.send(PING)
        await at_client.until_closed()


async def test_driver_that_raises_does_not_end_the_transport() -> None:
    """Our choice: what goes wrong with one message is told to `on_error`."""
    client, server = memory_transports()
    at_server = Witness(server)
    take = server.on_message

    async def fail_once(message: Message, sender: Sender) -> None:
        server.on_message = take
        raise LookupError("no such thing")

    server.on_message = fail_once
    async with anyio.create_task_group() as tasks:
        await server.start(tasks)
        for message in numbered(2):
            await client.send(message)
        assert await at_server.until_messages(1) == numbered(2)[1:]
        assert [str(error) for error in at_server.errors] == ["no such thing"]
        await client.close()


async def test_cancelling_its_tasks_closes_a_transport() -> None:
    """Our choice: whoever owns the tasks needs not close as well."""
    client, server = memory_transports()
    at_server = Witness(server)
    async with anyio.create_task_group() as tasks:
        await server.start(tasks)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert at_server.closed == 1
    await client.close()
