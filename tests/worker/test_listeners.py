"""What in one worker hears of changes."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from pytest_django import Settings

from mcp_django import Server
from mcp_django.server.notices import Notice
from mcp_django.worker.listeners import Listeners
from mcp_django.worker.tasks import LoopTasks
from tests.worker.layers import until


class Listener:
    """A listener that notes what it is told."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.told: list[Notice] = []
        self.times = 0
        self.rechecks = 0
        self.may_answer = asyncio.Event()

    async def notify(self, notice: Notice) -> None:
        self.told.append(notice)

    async def tell_everything(self) -> None:
        self.times += 1

    async def recheck(self) -> None:
        self.rechecks += 1
        await self.may_answer.wait()


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    tasks = LoopTasks()
    yield Listeners(tasks)
    await tasks.end()


@pytest.fixture
def server() -> Server:
    return Server("shop")


async def test_those_of_a_server_are_told_once_of_a_flood(
    listeners: Listeners, server: Server
) -> None:
    """Our choice: notices say only that something changed."""
    listener, gone, stranger = [Listener(s) for s in (server, server, Server("other"))]
    for each in (listener, gone, stranger):
        listeners.add(each)
    listeners.discard(gone)
    for _ in range(100):
        listeners.notify("shop", Notice("tools"))
    listeners.notify("nobody's", Notice("tools"))
    await until(lambda: bool(listener.told))
    assert listener.told == [Notice("tools")]
    assert gone.told == stranger.told == []
    assert set(listeners) == {listener, stranger}


@pytest.mark.parametrize("what", ["notice", "recheck"])
async def test_many_listeners_leave_others_the_event_loop(
    listeners: Listeners, server: Server, what: str
) -> None:
    """We promise it: no request waits until all of them have heard."""
    many = [Listener(server) for _ in range(1000)]
    for each in many:
        each.may_answer.set()
        listeners.add(each)
    steps: list[int] = []
    if what == "notice":
        listeners.notify("shop", Notice("tools"))
    else:
        listeners.recheck()
    while (heard := sum(len(each.told) + each.rechecks for each in many)) < 1000:
        steps.append(heard)
        await asyncio.sleep(0)
    assert max(after - before for before, after in pairwise([*steps, 1000])) < 200


async def test_listener_that_is_gone_is_not_rechecked(
    listeners: Listeners, server: Server
) -> None:
    """Our choice: also if it was due, and had not its turn yet."""
    nine = [Listener(server) for _ in range(9)]
    for listener in nine:
        listeners.add(listener)
    listeners.recheck()
    await until(lambda: sum(listener.rechecks for listener in nine) == 8)
    [due] = [listener for listener in nine if not listener.rechecks]
    listeners.discard(due)
    for listener in nine:
        listener.may_answer.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert due.rechecks == 0


async def test_when_notices_were_lost_everything_may_have_changed(
    listeners: Listeners, server: Server, settings: Settings
) -> None:
    """Our choice: clients read again; at most every `RECHECK_SECONDS`."""
    settings.MCP = {"RECHECK_SECONDS": 0.2}
    listener = Listener(server)
    listeners.add(listener)
    for _ in range(10):
        listeners.tell_everything()
    await until(lambda: listener.times == 1)
    begun = asyncio.get_running_loop().time()
    listeners.tell_everything()
    await until(lambda: listener.times == 2)
    assert asyncio.get_running_loop().time() - begun > 0.1


async def test_few_are_rechecked_at_once_and_none_twice(
    listeners: Listeners, server: Server
) -> None:
    """Our choice: what one client subscribed to leaves others their turn."""
    nine = [Listener(server) for _ in range(9)]
    for listener in nine:
        listeners.add(listener)
    for _ in range(2):
        listeners.recheck()
        for _ in range(5):
            await asyncio.sleep(0)
    assert sum(listener.rechecks for listener in nine) == 8
    for listener in nine:
        listener.may_answer.set()
    await until(lambda: {listener.rechecks for listener in nine} == {1})

    def are_asked_again() -> bool:
        listeners.recheck()
        return all(listener.rechecks >= 2 for listener in nine)

    await until(are_asked_again)
