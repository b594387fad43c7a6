"""What workers tell each other: twice, numbered, and heard once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.exceptions import ChannelFull
from pytest_django import Settings

from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.channel_layers import make_service
from mcp_django.worker.hearing import Hearer
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.telling import Teller
from tests.fault_lines import more, said
from tests.worker.layers import Layer, quiet, until

ONE: JSONObject = {"kind": "cancel", "id": 1}
TWO: JSONObject = {"kind": "cancel", "id": 2}

LOST = (
    "a change, cancellation or end of a session was not told to all other workers: "
    "the channel layer was away too long, or a mailbox is full; raise its "
    '"capacity" if this goes on'
)


class Worker:
    """A mailbox, a teller, and what is heard."""

    def __init__(self, layer: Layer) -> None:
        self.tasks = LoopTasks()
        self.heard: list[JSONObject] = []
        self.losses = 0
        self.mailbox = Mailbox(
            layer,
            make_service("default"),
            on_message=self._take,
            on_lost=self._lose,
            said=lambda: {"by": self.teller.id, "number": self.teller.number},
        )
        self.teller = Teller(self.mailbox, self._start, again_seconds=0.1)
        self.hearer = Hearer(
            on_told=self.heard.append,
            on_late=lambda: self._start(self.mailbox.check()),
            on_lost=self._lose,
            grace_seconds=0.2,
        )

    def _start(self, coroutine: Any) -> None:
        self.tasks.start(coroutine, lambda: None)

    def _lose(self) -> None:
        self.losses += 1

    def _take(self, message: JSONObject) -> None:
        match message:
            case {"type": "mcp.told", "by": by, "number": number, "told": told}:
                if by == self.teller.id:
                    self.teller.hear_echo(number)
                else:
                    self.hearer.hear(by, number, told)
            case {"type": "mcp.told_again", "by": by, "batches": batches}:
                self.hearer.hear_again(by, batches)
            case {"type": "mcp.heartbeat", "by": by, "number": number}:
                self.hearer.hear_number(by, number)


@pytest.fixture
def layer() -> Layer:
    return Layer()


@asynccontextmanager
async def joined(layer: Layer) -> AsyncIterator[tuple[Worker, Worker]]:
    """Give two workers that know of each other."""
    workers = Worker(layer), Worker(layer)
    for worker in workers:
        await worker.mailbox.open()
    await until(lambda: all(worker.mailbox.peers for worker in workers))
    await quiet(layer)
    try:
        yield workers
    finally:
        for worker in workers:
            await worker.mailbox.close()
            await worker.tasks.end()


def again_in(layer: Layer) -> list[JSONObject]:
    """Give what was told a second time."""
    return [m for _, m in layer.sent if m["type"] == "mcp.told_again"]


# Twice ------------------------------------------------------------------------------


async def test_what_is_told_twice_is_heard_once(layer: Layer) -> None:
    """Our choice: the second time goes to each known worker, with the same number."""
    async with joined(layer) as (one, two):
        await one.teller.tell(ONE)
        await until(lambda: bool(again_in(layer)))
        await quiet(layer)
        assert two.heard == [ONE]
        assert one.heard == []


async def test_what_the_group_lost_arrives_the_second_time(layer: Layer) -> None:
    """Our choice: the group may be gone, or a mailbox was full for a moment."""
    async with joined(layer) as (one, two):
        layer.groups.clear()
        await one.teller.tell(ONE)
        await until(lambda: two.heard == [ONE])


async def test_changes_told_meanwhile_are_told_together_and_once(layer: Layer) -> None:
    """Our choice: they say only that something changed; floods fill mailboxes."""
    async with joined(layer) as (one, two):
        for _ in range(100):
            one.teller.put(ONE, "one")
            one.teller.put(TWO, "two")
        await until(lambda: len(two.heard) == 2)
        assert one.teller.number == 1


async def test_worker_whose_mailbox_is_full_is_told_again_and_then_logged(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: what cannot be delivered is counted."""

    def refuse(channel: str, message: JSONObject) -> None:
        if message["type"] == "mcp.told_again":
            raise ChannelFull

    async with joined(layer) as (one, _):
        layer.on_send = refuse
        await one.teller.tell(ONE)
        await until(lambda: bool(caplog.messages))
        assert len(again_in(layer)) == 3
        layer.on_send = None
    assert said(caplog) == [LOST]


# Away -------------------------------------------------------------------------------


class Breaking(Layer):
    """A layer whose group fails while it is broken."""

    is_broken = False

    async def group_send(self, group: str, message: JSONObject) -> None:
        if self.is_broken:
            raise ConnectionError("redis is away")
        await super().group_send(group, message)


async def test_what_cannot_be_told_now_is_told_later(settings: Settings) -> None:
    """Our choice: a caller that waits is told so at once."""
    layer = Breaking()
    async with joined(layer) as (one, two):
        layer.is_broken = True
        with pytest.raises(ServiceAway):
            await one.teller.tell(ONE)
        one.teller.put(TWO, lasts=0)
        await until(lambda: one.teller.number > 2)
        layer.is_broken = False
        await until(lambda: bool(two.heard))
        await one.teller.tell(TWO)
        await until(lambda: len(two.heard) == 2)
        assert two.heard == [ONE, TWO]
        assert two.losses == 0, "also of the numbers that were used in vain"


async def test_what_waits_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: the oldest is given up first, counted, and missed by the others."""
    layer = Breaking()
    async with joined(layer) as (one, two):
        layer.is_broken = True
        for number in range(1200):
            one.teller.put({"kind": "cancel", "id": number})
        assert said(caplog) == [LOST, LOST + more(199)]
        layer.is_broken = False
        await until(lambda: len(two.heard) >= 1000)
        assert [told["id"] for told in two.heard] == list(range(200, 1200))
        await until(lambda: two.losses > 0)


# What is missing --------------------------------------------------------------------
