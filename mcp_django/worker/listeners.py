"""What in one worker wants to hear of changes, wherever they happened."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any, Final, Protocol

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.server.notices import Notice
from mcp_django.server.server import Server
from mcp_django.worker.lots import in_lots
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.tasks import LoopTasks

logger = FaultLog("mcp_django.worker")

_RECHECKED_AT_ONCE: Final = 8

_RECHECK_SECONDS: Final = 30.0
"""How long all that one client subscribed to may take; the rest comes next time."""


class Listener(Protocol):
    """What passes changes of a server on to a client that wants to know."""

    @property
    def server(self) -> Server:
        """Whose changes."""

    async def notify(self, notice: Notice) -> None:
        """Hear of a change; must not wait for a client, nor for a service."""

    async def tell_everything(self) -> None:
        """Tell the client of every change that it may have missed."""

    async def recheck(self) -> None:
        """Ask again what of its subscriptions its user may read."""


class Listeners:
    """All of them in one worker.

    Args:
        tasks: Where they are told and rechecked.
    """

    def __init__(self, tasks: LoopTasks) -> None:
        self._tasks = tasks
        self._all: set[Listener] = set()
        self._queues: dict[str, NoticeQueue] = {}
        self._all_told_at = -math.inf
        self._telling_all: asyncio.TimerHandle | None = None
        # A set in all but type, which keeps the order.
        self._due: dict[Listener, None] = {}
        self._rechecked: set[Listener] = set()
        self._rechecking = 0

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Listener]:
        """Iterate over a copy: they may come and go meanwhile."""
        return iter(list(self._all))

    def add(self, listener: Listener) -> None:
        """Tell it of changes from now on; pair with `discard`."""
        self._all.add(listener)

    def discard(self, listener: Listener) -> None:
        """Tell it no longer."""
        self._all.discard(listener)
        self._due.pop(listener, None)

    def notify(self, server_name: str, notice: Notice) -> None:
        """Tell of a change soon; what changes in a flood is told once."""
        queue = self._queues.get(server_name)
        if queue is None:
            tell = partial(self._notify_all, server_name)
            queue = self._queues[server_name] = NoticeQueue(tell, self._tasks.start)
        queue.put(notice)

    async def _notify_all(self, server_name: str, notice: Notice) -> None:
        async for some in in_lots(self):
            for listener in some:
                if listener.server.name == server_name:
                    telling = listener.notify(notice)
                    await _contained(telling)

    def tell_everything(self) -> None:
        """Tell soon that everything may have changed, because notices were lost.

        At most every `RECHECK_SECONDS`, however often that happens.
        """
        if self._telling_all is None:
            loop = asyncio.get_running_loop()
            due = self._all_told_at + mcp_settings.RECHECK_SECONDS
            self._telling_all = loop.call_at(max(due, loop.time()), self._tell_all)

    def _tell_all(self) -> None:
        self._telling_all = None
        self._all_told_at = asyncio.get_running_loop().time()
        for listener in self:
            telling = listener.tell_everything()
            self._tasks.start(_contained(telling))

    def recheck(self) -> None:
        """Begin to ask anew what clients may read, unless that is being asked still."""
        due = (each for each in self._all if each not in self._rechecked)
        self._due.update(dict.fromkeys(due))
        free = _RECHECKED_AT_ONCE - self._rechecking
        for _ in range(min(free, len(self._due))):
            self._rechecking += 1
            self._tasks.start(self._recheck_due())

    async def _recheck_due(self) -> None:
        """Recheck one after the other, as long as one is due."""
        try:
            while self._due:
                listener = next(iter(self._due))
                del self._due[listener]
                self._rechecked.add(listener)
                try:
                    await self._recheck(listener)
                finally:
                    self._rechecked.discard(listener)
                await asyncio.sleep(0)  # most have nothing to ask, and wait for nothing
        finally:
            self._rechecking -= 1

    async def _recheck(self, listener: Listener) -> None:
        try:
            # So that one with many that are slow leaves others their turn.
            async with asyncio.timeout(_RECHECK_SECONDS):
                await listener.recheck()
        except TimeoutError:
            logger.warning(
                "a subscriber's rights take long to be asked for again; make "
                "the permissions faster"
            )
        except BaseException as error:
            if ends_task(error):
                raise
            logger.exception(
                "a subscriber's rights cannot be asked for again; see the error"
            )


async def _contained(telling: Coroutine[Any, Any, None]) -> None:
    """Await it; its failure is no other's."""
    try:
        await telling
    except BaseException as error:
        if ends_task(error):
            raise
        logger.exception("a change notice was lost; see the error")
