"""Turns of the requests of batches."""

from typing import Any

import anyio
from anyio import wait_all_tasks_blocked

from mcp_django.exchanges.turns import Turns
from tests.patience import PATIENCE_SECONDS


class Requests:
    """Requests that run until they are told to end.

    Attributes:
        running: Those that run, in order.
        ends: Set to end one.
    """

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: list[int] = []
        self._scopes: dict[int, anyio.CancelScope] = {}
        self.ends: dict[int, anyio.Event] = {}

    async def run(self, number: int, key: str = "session") -> None:
        """Run one; `end` or `cancel` it."""
        self.ends[number] = anyio.Event()
        assert await self.turns.enter(key, 1, PATIENCE_SECONDS)
        try:
            with anyio.CancelScope() as self._scopes[number]:
                await self.turns.begin(key)
                self.running.append(number)
                try:
                    await self.ends[number].wait()
                finally:
                    self.running.remove(number)
                    self.turns.end(key)
        finally:
            self.turns.leave(key)

    async def end(self, number: int) -> None:
        """End one, and let the next begin."""
        self.ends[number].set()
        await wait_all_tasks_blocked()

    def cancel(self, number: int) -> None:
        """Cancel one."""
        self._scopes[number].cancel()


async def test_so_many_run_and_the_others_take_turns(settings: Any) -> None:
    """We promise it: MCP["MAX_CONCURRENT"], in the order in which they came."""
    settings.MCP = {"MAX_CONCURRENT": 2}
    requests = Requests(Turns())
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(requests.run, number)
        tasks.start_soon(requests.run, 10, "other session")
        await wait_all_tasks_blocked()
        assert requests.running == [0, 1, 10]
        await requests.end(0)
        assert requests.running == [1, 10, 2]
        for number in (1, 2, 3, 10):
            await requests.end(number)
    assert len(requests.turns) == 0


async def test_who_is_cancelled_keeps_nobody_waiting(settings: Any) -> None:
    """We promise it: also at the moment when it was its turn."""
    settings.MCP = {"MAX_CONCURRENT": 1}
    requests = Requests(Turns())
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(requests.run, number)
        await wait_all_tasks_blocked()
        requests.cancel(1)
        await wait_all_tasks_blocked()
        requests.ends[0].set()
        requests.cancel(2)  # hears of it in the moment in which it is its turn
        await wait_all_tasks_blocked()
        assert requests.running == [3]
        await requests.end(3)
    assert len(requests.turns) == 0


async def test_session_has_room_for_those_that_run_and_wait(settings: Any) -> None:
    """We promise it: MCP["MAX_CONCURRENT"] and MCP["MAX_INBOX"] together."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 2}
    turns = Turns()
    assert turns.most == 3
    assert await turns.enter("session", 2, PATIENCE_SECONDS)
    assert not await turns.enter("session", 2, 0.01)
    assert await turns.enter("session", 1, PATIENCE_SECONDS)
    assert await turns.enter("other session", 3, PATIENCE_SECONDS)
    found: list[bool] = []

    async def wait() -> None:
        found.append(await turns.enter("session", 3, PATIENCE_SECONDS))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        turns.leave("session", 2)
        await wait_all_tasks_blocked()
        assert found == []
        turns.leave("session")
    assert found == [True]
