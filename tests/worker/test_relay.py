"""A worker's line to the others: relays joined by one channel layer."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.mailbox import GROUP
from mcp_django.worker.relay import Relay
from tests import patience
from tests.worker.layers import Layer, until

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
AWAY = (
    "the channel layer 'default' does not answer: processes do not hear of each "
    "other's changes, cancellations and ends of sessions, and do not reach each "
    "other's sessions"
)


@pytest.fixture
def layer() -> Layer:
    return Layer()


class Hearing:
    """A relay, and what it hears of news."""

    def __init__(self, layer: Layer | None) -> None:
        self.relay = Relay(layer)
        self.noticed: list[JSONObject] = []
        self.relay.on_told("notice", self.noticed.append)


@asynccontextmanager
async def joined(layer: Layer) -> AsyncIterator[tuple[Hearing, Hearing]]:
    """Give two relays, joined by a layer."""
    both = Hearing(layer), Hearing(layer)
    try:
        yield both
    finally:
        for each in both:
            await each.relay.close()


def news(subject: str) -> JSONObject:
    """Make what a worker tells others."""
    return {"kind": "notice", "subject": subject}


# The mailbox ------------------------------------------------------------------------


async def test_layer_that_hangs_while_it_opens_keeps_no_stream_waiting(
    layer: Layer, settings: Any
) -> None:
    """Our choice: `RELAY_TIMEOUT` here, too."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1}
    never = asyncio.Event()
    layer.on_join = never.wait
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await Hearing(layer).relay.open() == ""


async def test_many_wait_for_one_attempt_to_open_the_mailbox(
    layer: Layer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the last of many streams waits no longer than the first."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1, "AWAY_SECONDS": 0.0}
    never = asyncio.Event()
    layer.on_join = never.wait
    relay = Hearing(layer).relay
    assert await asyncio.gather(*(relay.open() for _ in range(10))) == [""] * 10
    assert caplog.messages == [f"{AWAY} (TimeoutError('no answer in 0.1 seconds'))"]
    layer.on_join = None
    assert await relay.open()
    await relay.close()


async def test_mailbox_is_opened_once(layer: Layer) -> None:
    """Our choice: one channel per worker, however many sessions open at once."""
    async with joined(layer) as (poster, _):
        mailboxes = await asyncio.gather(*(poster.relay.open() for _ in range(10)))
        assert len(set(mailboxes)) == 1
        assert layer.joined == mailboxes[:1]


# Telling ----------------------------------------------------------------------------


async def test_what_is_told_reaches_every_other_worker(layer: Layer) -> None:
    """Our choice: its own clients the worker has told already."""
    async with joined(layer) as (one, other):
        for each in (one, other):
            await each.relay.open()
        one.relay.tell_soon(news("from one"))
        await other.relay.tell(news("from the other"))
        await until(lambda: bool(one.noticed) and bool(other.noticed))
        assert other.noticed == [news("from one")]
        assert one.noticed == [news("from the other")]


async def test_what_a_program_without_mailbox_tells_reaches_every_worker(
    layer: Layer,
) -> None:
    """Our choice: commands and task queues hold no sessions."""
    async with joined(layer) as (one, other):
        for each in (one, other):
            await each.relay.open()
        await Hearing(layer).relay.tell_as_stranger(news("tools"))
        await until(lambda: bool(one.noticed) and bool(other.noticed))
        assert one.noticed == other.noticed == [news("tools")]


async def test_what_cannot_be_told_is_logged(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: what changed has changed all the same."""

    class Broken(Layer):
        async def group_send(self, group: str, message: JSONObject) -> None:
            assert group == GROUP
            raise ConnectionError("redis is away")

    relay = Relay(Broken())
    await relay.open()
    await relay.tell_as_stranger(news("tools"))
    await relay.close()
    assert caplog.messages == [
        f"{AWAY} (ConnectionError('redis is away'))",
        "the channel layer 'default' answers again, after 0 seconds and 1 failure",
        "could not say farewell to the other workers, which see it themselves: "
        "the channel layer does not "
        "answer; try again in 5 seconds",
    ]


async def test_what_nothing_takes_here_is_dropped_quietly(
    layer: Layer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: another worker may have parts that this one has not yet needed, or
    run another version of this package."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1}
    caplog.set_level(logging.DEBUG, "mcp_django.worker")
    async with joined(layer) as (one, other):
        mailbox = await other.relay.open()
        await one.relay.open()
        heard: list[JSONObject] = []
        other.relay.on_told("known", heard.append)
        for told in ({}, {"kind": "unknown"}, {"kind": "known"}):
            one.relay.tell_soon(told)
        assert await one.relay.hand_over(mailbox, {"kind": "new", "body": b""}) is None
        await until(lambda: bool(heard))
    assert heard == [{"kind": "known"}]
    dropped = [record.getMessage() for record in caplog.records]
    assert dropped.count("nothing here takes envelopes of kind 'new'") == 1
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


async def test_what_cannot_be_read_keeps_nothing_else_from_being_heard(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: things told together come in one message."""
    async with joined(layer) as (one, other):
        await other.relay.open()
        other.relay.on_told("bad", lambda told: told["missing"])
        for told in ({"kind": "bad"}, news("tools")):
            one.relay.tell_soon(told)
        await until(lambda: bool(other.noticed))
    assert caplog.messages == [
        "what another worker told cannot be read; let all processes run the same "
        "version"
    ]
