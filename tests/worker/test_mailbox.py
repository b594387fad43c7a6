"""A worker's mailbox: whether what is told to all comes back, and what if not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_django import Settings

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.channel_layers import make_service
from mcp_django.worker.mailbox import GROUP, Mailbox
from tests.fault_lines import more, said
from tests.patience import PATIENCE_SECONDS
from tests.worker.layers import Layer, quiet, until

GONE = (
    "the channel layer had lost the group of all workers; this one has joined it "
    "again, and may not have heard what others told: see that the layer is not flushed"
)


class Worker:
    """A mailbox, and what comes into it."""

    def __init__(self, layer: Layer) -> None:
        self.received: list[JSONObject] = []
        self.losses = 0
        self.mailbox = Mailbox(
            layer,
            make_service("default"),
            on_message=self.received.append,
            on_lost=self._lose,
            said=dict,
        )

    def _lose(self) -> None:
        self.losses += 1


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture(autouse=True)
def short(settings: Settings) -> None:
    """Look often, and wait for little."""
    settings.MCP = {"RECHECK_SECONDS": 0.2, "RELAY_TIMEOUT": 0.1}


@asynccontextmanager
async def opened(layer: Layer, count: int = 2) -> AsyncIterator[list[Worker]]:
    """Give workers with open mailboxes that know of each other."""
    workers = [Worker(layer) for _ in range(count)]
    for worker in workers:
        await worker.mailbox.open()
    await until(lambda: all(len(w.mailbox.peers) == count - 1 for w in workers))
    await quiet(layer)
    try:
        yield workers
    finally:
        for worker in workers:
            await worker.mailbox.close()


async def test_workers_know_of_each_other_as_soon_as_they_begin(layer: Layer) -> None:
    """Our choice: also of those that began before."""
    async with opened(layer, 3) as workers:
        names = {worker.mailbox.name for worker in workers}
        for worker in workers:
            others = names - {worker.mailbox.name}
            assert set(worker.mailbox.living_peers()) == others


async def test_worker_that_is_not_heard_of_any_more_is_forgotten(layer: Layer) -> None:
    """Our choice: one that was killed says no farewell."""
    async with opened(layer) as (one, two):
        one.mailbox.note_peer("of a worker that was killed")
        await until(lambda: one.mailbox.living_peers() == [two.mailbox.name])


async def test_lost_group_is_joined_again_by_all(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: after FLUSHALL, an eviction, a clock that jumps; and say so."""
    async with opened(layer, 3) as workers:
        layer.groups.clear()
        await until(lambda: len(layer.groups.get(GROUP, ())) == 3)
        await until(lambda: all(worker.losses for worker in workers))
        await workers[0].mailbox.send_to_all({"type": "hello"})
        await until(lambda: all({"type": "hello"} in w.received for w in workers))
        await workers[0].mailbox.check()
    assert said(caplog) == [GONE, GONE + more(2)]


async def test_one_that_is_missing_joins_again(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a clock that jumped lets the layer forget some, and not others."""
    async with opened(layer) as (one, two):
        del layer.groups[GROUP][one.mailbox.name]
        await one.mailbox.check()
        assert set(layer.groups[GROUP]) == {one.mailbox.name, two.mailbox.name}
        assert (one.losses, two.losses) == (1, 0)
    assert said(caplog) == [GONE]


async def test_group_that_is_there_is_left_alone(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: nothing is said where nothing is wrong."""
    async with opened(layer) as workers:
        for worker in workers:
            await worker.mailbox.check()
            assert worker.losses == 0
            assert await worker.mailbox.is_reached()
    assert caplog.messages == []


async def test_mailbox_that_is_closed_while_it_opens_leaves_nothing(
    layer: Layer,
) -> None:
    """Our choice: others would write to it for a day, until it is full."""
    may_join = asyncio.Event()
    is_joining = asyncio.Event()

    async def join() -> None:
        is_joining.set()
        await may_join.wait()

    layer.on_join = join
    mailbox = Worker(layer).mailbox
    opening = asyncio.create_task(mailbox.open())
    await is_joining.wait()
    closing = asyncio.create_task(mailbox.close())
    await asyncio.sleep(0)
    may_join.set()
    await asyncio.gather(opening, closing)
    assert layer.groups.get(GROUP, {}) == {}
    assert mailbox.name == ""


async def test_mailbox_that_is_closed_for_good_is_not_opened_again(
    layer: Layer,
) -> None:
    """Our choice: of what ends with the process, others are told without one."""
    mailbox = Worker(layer).mailbox
    await mailbox.open()
    await mailbox.close()
    assert await mailbox.open()
    await mailbox.close(for_good=True)
    assert await mailbox.open() == ""
    assert layer.groups.get(GROUP, {}) == {}


async def test_mailbox_that_is_closed_twice_lets_its_layer_unsubscribe() -> None:
    """Our choice: a process does both when it ends, and layers log what breaks off."""
    begun, may_end = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    class Subscribing(Layer):
        async def receive(self, channel: str) -> JSONObject:
            try:
                return await super().receive(channel)
            finally:
                begun.set()
                await may_end.wait()
                ended.append(channel)

    mailbox = Worker(Subscribing()).mailbox
    name = await mailbox.open()
    await asyncio.sleep(0)
    await mailbox.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
    await mailbox.close()
    await asyncio.sleep(0)
    may_end.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert ended == [name]


async def test_mailbox_that_is_closed_while_it_is_looked_after_stays_closed(
    layer: Layer,
) -> None:
    """Our choice: it would be in the group again, and no task would read it."""
    mailbox = Worker(layer).mailbox
    await mailbox.open()
    await quiet(layer)
    layer.on_send = lambda *_: False
    checking = asyncio.create_task(mailbox.check())
    await asyncio.sleep(0)
    await mailbox.close()
    await checking
    assert layer.groups.get(GROUP, {}) == {}


class Deaf(Layer):
    """A layer that gives nothing to those that began to read before it was deaf."""

    def __init__(self) -> None:
        super().__init__()
        self.is_deaf = False

    async def receive(self, channel: str) -> dict[str, Any]:
        message = await super().receive(channel)
        if self.is_deaf:
            await asyncio.Event().wait()
        return message


async def test_mailbox_that_gives_nothing_is_read_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: a half-open connection gives nothing, for ever, and no error."""
    layer = Deaf()
    async with opened(layer) as (one, _):
        layer.is_deaf = True
        assert not await one.mailbox.is_reached()
        await one.mailbox.check()
        layer.is_deaf = False
        assert await one.mailbox.is_reached()
    assert caplog.messages[0] == (
        "nothing that is sent to this worker arrives; it reads from the channel layer "
        "anew: see that the layer is not flushed"
    )
