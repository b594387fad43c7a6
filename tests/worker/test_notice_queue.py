"""Change notices on their way to one client."""

import anyio
import pytest

from mcp_django.server.notices import Notice
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.tasks import LoopTasks
from tests.fault_lines import more, said
from tests.worker.layers import PATIENCE_SECONDS, until

TOOLS, PROMPTS = Notice("tools"), Notice("prompts")


class Client:
    """A client that reads when it is told to.

    Attributes:
        sent: What was sent, or is being sent.
        reads: Set while the client reads.
        fault: What sending raises, if anything.
    """

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.reads = anyio.Event()
        self.fault: Exception | None = None
        self.tasks = LoopTasks()
        self.queue = NoticeQueue(
            self._send, lambda coroutine: self.tasks.start(coroutine, lambda: None)
        )

    async def _send(self, notice: Notice) -> None:
        self.sent.append(notice)
        if self.fault is not None:
            raise self.fault
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.reads.wait()


async def test_notices_are_sent_in_order_one_after_the_other() -> None:
    """Our choice: a stream is written to by one."""
    client = Client()
    client.queue.put(TOOLS)
    client.queue.put(PROMPTS)
    await until(lambda: client.sent == [TOOLS])
    client.reads.set()
    await until(lambda: client.sent == [TOOLS, PROMPTS])


async def test_what_changes_again_before_it_was_told_is_told_once() -> None:
    """Our choice: so what waits for a slow client is bounded."""
    client = Client()
    for _ in range(1000):
        client.queue.put(TOOLS)
    await until(lambda: client.sent == [TOOLS])
    for _ in range(1000):
        client.queue.put(PROMPTS)
        client.queue.put(TOOLS)
    client.reads.set()
    await until(lambda: len(client.sent) == 3)
    assert client.sent == [TOOLS, PROMPTS, TOOLS]
    client.queue.put(TOOLS)
    await until(lambda: len(client.sent) == 4)


async def test_notice_that_cannot_be_sent_is_lost_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: such as with a cache that is away for a moment."""
    client = Client()
    client.reads.set()
    client.fault = ConnectionError("away")
    client.queue.put(TOOLS)
    client.queue.put(PROMPTS)
    await until(lambda: client.sent == [TOOLS, PROMPTS])
    client.fault = None
    client.queue.put(TOOLS)
    await until(lambda: len(client.sent) == 3)
    lost = "a change notice was lost; see the error"
    assert said(caplog) == [lost, f"{lost}: ConnectionError{more(1)}"]


async def test_queue_goes_on_after_its_task_was_cancelled() -> None:
    """Our choice: what ends all tasks does not have to know the queues."""
    client = Client()
    client.queue.put(TOOLS)
    await until(lambda: client.sent == [TOOLS])
    await client.tasks.end()
    client.tasks = LoopTasks()
    client.reads.set()
    client.queue.put(PROMPTS)
    await until(lambda: client.sent == [TOOLS, PROMPTS])


async def test_what_is_gone_before_its_change_was_told_is_told_to_be_gone() -> None:
    """Our choice: who may hear of the change cannot be asked any more."""
    client = Client()
    row, gone = Notice("resource", "x"), Notice("resource", "x", is_gone=True)
    for notice in (TOOLS, row, PROMPTS, gone):
        client.queue.put(notice)
    client.reads.set()
    await until(lambda: client.sent == [TOOLS, PROMPTS, gone])
