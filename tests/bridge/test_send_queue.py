"""Messages on their way to one peer."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from mcp_django.bridge.queues import Queue
from mcp_django.bridge.send_queue import SendQueue
from mcp_django.exceptions import TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Transport
from tests.patience import PATIENCE_SECONDS


def numbered(number: int) -> Message:
    """Make a message."""
    return jsonrpc.notification("notifications/n", {"n": number})


class Recorder(Transport):
    """A transport that takes messages, each after a while, until it is closed.

    Attributes:
        sent: The messages that it took.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Message] = []
        self._is_closed = False

    async def start(self, tasks: TaskGroup) -> None:
        """Do nothing."""

    async def send(self, message: Message) -> None:
        """Take a message."""
        await anyio.lowlevel.checkpoint()
        if self._is_closed:
            raise TransportClosed("cannot send: it is closed")
        self.sent.append(message)

    async def close(self) -> None:
        """Take no more."""
        self._is_closed = True


async def test_messages_go_in_order_and_the_queue_knows_when_all_are_sent() -> None:
    """Chosen: from whatever tasks they come."""
    transport = Recorder()
    send_queue = SendQueue(transport)
    await send_queue.wait_until_empty()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_queue.run)
        for number in range(10):
            if number % 2:
                send_queue.send_soon(numbered(number))
            else:
                await send_queue.send(numbered(number))
        with anyio.fail_after(PATIENCE_SECONDS):
            await send_queue.wait_until_empty()
        assert transport.sent == [numbered(number) for number in range(10)]
        await transport.close()
        # What cannot be sent any more is lost, and nobody waits for it.
        await send_queue.send(numbered(11))
        with anyio.fail_after(PATIENCE_SECONDS):
            await send_queue.wait_until_empty()
        tasks.cancel_scope.cancel()


async def test_message_that_may_be_lost_is_dropped_when_too_many_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: a client that does not read costs bounded memory."""
    send_queue = SendQueue(Recorder())
    for number in range(1001):
        send_queue.send_soon(numbered(number))
    [record] = caplog.records
    assert "1000 others wait" in record.getMessage()


async def test_queue_lets_everybody_wait_for_room() -> None:
    """Chosen: none of those who wait is forgotten."""
    queue: Queue[int] = Queue(1)
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(queue.put, number)
        with anyio.fail_after(PATIENCE_SECONDS):
            assert {await queue.get() for _ in range(5)} == set(range(5))
    assert not queue
    assert queue.put_nowait(1)
    assert not queue.put_nowait(2)
    assert len(queue) == 1
