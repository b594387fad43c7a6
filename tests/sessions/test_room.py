"""How much one session may do at once, without a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup

from mcp_django import Server
from mcp_django.exceptions import TransportClosed
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.requests import Request
from mcp_django.sessions.room import Room
from mcp_django.transports.base import Sender, Transport
from mcp_django.worker.tasks import LoopTasks
from tests.patience import PATIENCE_SECONDS
from tests.server.calls import Caller

CALLER = Caller(Server("shop"))


async def settle() -> None:
    """Let all go on as far as it can; callbacks of tasks come a turn after them."""
    for _ in range(3):
        await wait_all_tasks_blocked()
        await anyio.lowlevel.checkpoint()


class Line(Transport):
    """A transport whose client reads, or does not."""

    is_slow = False

    @property
    def is_congested(self) -> bool:
        return self.is_slow

    async def start(self, tasks: TaskGroup) -> None:
        raise AssertionError

    async def send(self, message: Message) -> None:
        raise AssertionError

    async def close(self) -> None:
        raise AssertionError


class House:
    """A room, and what happens in it.

    Attributes:
        begun: Ids of the requests whose handlers began.
        ended: Ids of those whose handlers ended.
    """

    def __init__(self) -> None:
        self.line = Line()
        self.tasks = LoopTasks()
        self.room = Room(self.line, self.tasks, self.answer)
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self._may_end: dict[Any, asyncio.Event] = {}

    async def answer(self, request: Request) -> None:
        self.begun.append(request.id)
        try:
            await self._may_end.setdefault(request.id, asyncio.Event()).wait()
        finally:
            self.ended.append(request.id)

    async def enter(self, *ids: str, size: int = 0) -> None:
        for id in ids:
            request = CALLER.request("tools/call")
            self.room.enter(replace(request, id=id, sender=Sender(size=size)))
        await settle()

    async def let_end(self, *ids: str) -> None:
        for id in ids:
            self._may_end.setdefault(id, asyncio.Event()).set()
        await settle()

    async def cancel(self, id: str) -> None:
        self.room.cancel(id)
        await settle()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.tasks.end()


async def test_so_many_run_and_the_others_wait_in_order(
    house: House, settings: Any
) -> None:
    """Our choice: `MAX_CONCURRENT`; the next begins when one ends."""
    settings.MCP = {"MAX_CONCURRENT": 2}
    await house.enter(*"abcde")
    assert house.begun == ["a", "b"]
    assert [request.id for request in house.room.waiting] == ["c", "d", "e"]
    await house.let_end("b")
    assert house.begun == ["a", "b", "c"]
    await house.let_end(*"acde")
    assert (house.begun, house.room.running) == (list("abcde"), [])


@pytest.mark.parametrize(
    ("limits", "size", "fitting"),
    [
        ({"MAX_INBOX": 3}, 0, 5),
        ({"MAX_INBOX_BYTES": 100}, 40, 5),
        ({"MAX_INBOX": 3, "MAX_INBOX_BYTES": 100}, 101, 3),
    ],
)
async def test_inbox_is_bounded_by_messages_and_bytes(
    house: House, settings: Any, limits: Any, size: int, fitting: int
) -> None:
    """Our choice: `MAX_INBOX` and `MAX_INBOX_BYTES`; what comes below the limit may
    pass it once."""
    settings.MCP = {"MAX_CONCURRENT": 2, **limits}
    ids = "abcdefgh"[:fitting]
    for id in ids:
        assert not house.room.is_full
        await house.enter(id, size=size)
    assert house.room.is_full
    await house.let_end(*ids)
    assert not house.room.is_full
    # What was counted is counted no longer.
    for id in ids:
        assert not house.room.is_full
        await house.enter(id.upper(), size=size)
    assert house.room.is_full


async def test_ping_needs_no_place_in_the_inbox(house: House, settings: Any) -> None:
    """Our choice: it needs no handler."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    await house.enter("a", "b")
    with anyio.fail_after(PATIENCE_SECONDS):
        await house.room.wait(is_ping=True)


async def test_request_that_waits_goes_on_when_there_is_room(
    house: House, settings: Any
) -> None:
    """Our choice: transports that can stop reading do so meanwhile."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    await house.enter("a", "b")
    waiting = asyncio.create_task(house.room.wait(is_ping=False))
    await settle()
    assert not waiting.done()
    await house.cancel("b")
    assert waiting.done()


async def test_request_that_waits_for_room_learns_of_the_end(
    house: House, settings: Any
) -> None:
    """Our choice: nothing enters a session that has ended."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    await house.enter("a", "b")
    waiting = asyncio.create_task(house.room.wait(is_ping=False))
    await settle()
    await house.tasks.end()
    with pytest.raises(TransportClosed):
        await waiting
    assert house.begun == house.ended == ["a"]


async def test_client_that_does_not_read_has_one_handler_at_a_time(
    house: House,
) -> None:
    """Our choice: results that wait to be read cost memory."""
    house.line.is_slow = True
    await house.enter(*"abc")
    assert house.begun == ["a"]
    await house.let_end("a")
    assert house.begun == ["a", "b"]


async def test_handlers_become_many_again_without_a_rush(house: House) -> None:
    """Our choice: one slow handler must not keep the others waiting until it ends."""
    house.line.is_slow = True
    await house.enter(*"abcdefg")
    house.line.is_slow = False
    house.room.begin_waiting()
    await settle()
    assert house.begun == ["a", "b", "c"]
    await house.let_end("a")
    assert house.begun == ["a", "b", "c", "d", "e"]


async def test_those_whose_user_ponders_keep_no_others_waiting(
    house: House, settings: Any
) -> None:
    """Our choice: a user may ponder for ten minutes, and reads nothing meanwhile."""
    settings.MCP = {"MAX_CONCURRENT": 1}
    house.line.is_slow = True
    await house.enter("a", "b", "c")
    with house.room.let_ponder():
        await settle()
        assert house.begun == ["a", "b"]
        await house.let_end("b")
        assert house.begun == ["a", "b", "c"]
        assert house.room.pondering == 1
    await house.enter("d")
    assert house.begun == ["a", "b", "c"]


async def test_request_cancelled_before_it_began_never_runs(house: House) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: stop processing, no answer."""
    request = CALLER.request("tools/call")
    house.room.enter(request)
    house.room.cancel(request.id)
    await settle()
    assert (house.begun, house.room.running) == ([], [])
    assert request.is_cancelled


async def test_request_cancelled_in_the_inbox_never_runs(
    house: House, settings: Any
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: stop processing, no answer."""
    settings.MCP = {"MAX_CONCURRENT": 1}
    await house.enter(*"abc")
    await house.cancel("b")
    await house.cancel("nothing")
    await house.let_end("a")
    assert house.begun == ["a", "c"]


async def test_id_of_a_cancelled_request_may_come_again_at_once(house: House) -> None:
    """Our choice: the one that ends late takes nothing of the newer one away."""
    await house.enter("a")
    house.room.cancel("a")
    await house.enter("a")
    assert (house.begun, house.ended) == (["a", "a"], ["a"])
    assert len(house.room.running) == 1
    await house.cancel("a")
    assert house.ended == ["a", "a"]


async def test_room_is_idle_when_the_last_one_has_ended(house: House) -> None:
    """Our choice: stdio waits for that at the end of its input."""
    await house.room.wait_until_idle()
    await house.enter("a", "b")
    idle = asyncio.create_task(house.room.wait_until_idle())
    await house.let_end("a")
    assert not idle.done()
    await house.let_end("b")
    assert idle.done()


async def test_answers_that_are_not_read_fill_the_room(house: House) -> None:
    """Our choice: pings cost memory, too, as long as their answers wait."""
    read = asyncio.Event()

    async def send() -> None:
        await read.wait()

    for _ in range(1000):
        assert not house.room.is_full
        house.room.send_late(send())
    assert house.room.is_full
    waiting = asyncio.create_task(house.room.wait(is_ping=True))
    await settle()
    assert not waiting.done()
    read.set()
    await settle()
    assert (waiting.done(), house.room.is_full) == (True, False)


async def test_many_may_ponder(house: House) -> None:
    """Our choice: those who ponder count neither as running nor as waiting."""
    ids = [str(number) for number in range(100)]
    with ExitStack() as pondering:
        for id in ids:
            await house.enter(id)
            pondering.enter_context(house.room.let_ponder())
        assert house.begun == ids
        assert house.room.pondering == 100
    assert house.room.pondering == 0
