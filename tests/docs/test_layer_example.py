"""The page's channel: processes that share a channel layer, from both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.utils import translation
from pytest_django import Settings

from mcp_django import (
    Client,
    ConnectFailed,
    MessageLost,
    TransportClosed,
)
from mcp_django.client.connecting import MakeTransport
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Transport
from tests.docs.conftest import Import
from tests.docs.scenario import (
    PATIENCE_SECONDS,
    PING,
    assert_can_everything,
    assert_hears_of_changes,
    each_era,
)
from tests.live.redis import running_redis
from tests.transports.witness import Witness

ROOM = 100
"""Messages that a channel of the layer takes."""


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio: Channels does."""
    return "asyncio"


@asynccontextmanager
async def layer_worker(shown: Import) -> AsyncIterator[MakeTransport]:
    """Run the worker of the page, in this process."""
    listen = shown("shop.management.commands.mcp_worker").listen
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        yield shown("shop.layer").LayerTransport
        tasks.cancel_scope.cancel()


@each_era
async def test_channel_layer_carries_everything(shown: Import, version: str) -> None:
    """Our choice: in both eras; Channels, which carries it, needs asyncio."""
    async with layer_worker(shown) as make:
        await assert_can_everything(make, version)
        await assert_hears_of_changes(make, version)


@pytest.fixture
def redis_layer(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """Have a layer that several processes share."""
    with running_redis(tmp_path) as redis:
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels_redis.core.RedisChannelLayer",
                "CONFIG": {"hosts": [redis.url]},
            }
        }
        yield


@pytest.mark.live
@each_era
async def test_redis_carries_everything(
    shown: Import, redis_layer: None, version: str
) -> None:
    """Our choice: what sites with several processes have."""
    async with layer_worker(shown) as make:
        await assert_can_everything(make, version)
        await assert_hears_of_changes(make, version)


@pytest.mark.live
async def test_redis_is_open_to_code_that_is_not_async(
    shown: Import, redis_layer: None
) -> None:
    """Our choice: as an ordinary view behind Daphne."""
    ask: Any = shown("shop.ask_worker").ask_worker
    # Of the worker, whatever is active in the thread that asks.
    with anyio.fail_after(PATIENCE_SECONDS), translation.override("de"):
        async with layer_worker(shown):
            assert await sync_to_async(ask)("language") == "de"


async def test_worker_that_ends_says_goodbye(shown: Import) -> None:
    """Our choice: nobody has to find out by waiting."""
    listen = shown("shop.management.commands.mcp_worker").listen
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as worker:
            worker.start_soon(listen)
            async with (
                Client(shown("shop.layer").LayerTransport) as client,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(assert_is_lost, client)
                await anyio.wait_all_tasks_blocked()
                worker.cancel_scope.cancel()


async def assert_is_lost(client: Client) -> None:
    """Make a call whose connection ends."""
    with pytest.raises(TransportClosed):
        await client.call_tool("wait")


@dataclass
class LayerPeer:
    """The other end of a transport over the layer, played by a test.

    Attributes:
        transport: The server's half.
        witness: What that reports.
        send: Sends an event to it.
        receive: Gives what it sends next.
    """

    transport: Transport
    witness: Witness
    send: Callable[[dict[str, Any]], Awaitable[None]]
    receive: Callable[[], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def layer_peer(
    shown: Import, *, silent_seconds: float = 30.0
) -> AsyncIterator[LayerPeer]:
    """Be the client of a transport over the layer, which has rung at the door."""
    layer: Any = get_channel_layer()
    ours = await layer.new_channel()
    make = shown("shop.layer").LayerTransport
    transport = make(ours, silent_seconds=silent_seconds)

    async def receive() -> dict[str, Any]:
        return dict(await layer.receive(ours))

    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            opened = await receive()
            theirs = opened["text"]
            assert opened == {"type": "mcp.open", "n": 0, "text": theirs}
            yield LayerPeer(transport, witness, partial(layer.send, theirs), receive)
            await transport.close()


def layer_event(number: int, message: Message) -> dict[str, Any]:
    text = jsonrpc.serialize(message).decode()
    return {"type": "mcp.message", "n": number, "text": text}


async def test_message_that_the_layer_lost_ends_the_connection(shown: Import) -> None:
    """Our choice: layers deliver at most once, and nobody may wait for ever."""
    async with layer_peer(shown) as peer:
        await peer.send(layer_event(1, PING))
        assert await peer.witness.until_messages(1) == [PING]
        await peer.send(layer_event(3, PING))
        await peer.witness.until_closed()
        assert [type(error) for error in peer.witness.errors] == [MessageLost]
        assert await peer.receive() == {"type": "mcp.close"}
        with pytest.raises(TransportClosed):
            await peer.transport.send(PING)
    assert len(peer.witness.messages) == 1


async def test_end_of_the_other_end_is_the_end_over_the_layer(shown: Import) -> None:
    """Our choice: whoever closes says so."""
    async with layer_peer(shown) as peer:
        await peer.send({"type": "mcp.close"})
        await peer.witness.until_closed()
    assert peer.witness.errors == []


async def test_other_end_without_a_sign_of_life_is_gone(shown: Import) -> None:
    """Our choice: processes that are killed say nothing."""
    async with layer_peer(shown, silent_seconds=0.2) as peer:
        await peer.witness.until_closed()
    assert [str(error) for error in peer.witness.errors] == [
        "the other end shows no sign of life"
    ]


async def test_signs_of_life_keep_a_connection_open(shown: Import) -> None:
    """Our choice: a connection may be idle for as long as it likes."""
    async with layer_peer(shown, silent_seconds=0.6) as peer:
        for number in range(1, 5):  # one after 0.2 seconds each
            event = await peer.receive()
            assert event == {"type": "mcp.life", "n": number, "text": event["text"]}
            await peer.send(event)
        assert peer.witness.closed == 0


async def test_sender_waits_while_the_channel_is_full(shown: Import) -> None:
    """Our choice: a slow reader costs bounded memory, and nothing is lost."""
    sent: list[int] = []

    async def send() -> None:
        for number in range(ROOM + 1):
            await peer.transport.send(PING)
            sent.append(number)

    async with layer_peer(shown) as peer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            while len(sent) < ROOM:
                await anyio.lowlevel.checkpoint()
            assert len(sent) == ROOM
            numbers = [(await peer.receive())["n"] for _ in range(ROOM + 1)]
        assert numbers == list(range(1, ROOM + 2))


async def test_sender_that_waits_for_room_is_let_go_at_the_end(shown: Import) -> None:
    """Our choice: nothing holds up the end."""
    sent: list[int] = []

    async def send() -> None:
        with pytest.raises(TransportClosed):
            for number in range(ROOM + 1):
                await peer.transport.send(PING)
                sent.append(number)

    async with layer_peer(shown) as peer, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        while len(sent) < ROOM:
            await anyio.lowlevel.checkpoint()
        await peer.transport.close()
    assert len(sent) == ROOM


async def test_door_that_nobody_opens_is_no_connection(shown: Import) -> None:
    """Our choice: the client says so."""
    make = partial(shown("shop.layer").LayerTransport, silent_seconds=0.3)
    with pytest.raises(ConnectFailed) as caught:
        async with Client(make):
            pass
    text = "nobody answers at 'mcp-shop'; does the worker run?"
    assert str(caught.value) == text
