"""The task of one worker that looks after all that is open there."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Final

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.worker.ages import Ages
from mcp_django.worker.connections import Connections, OpenConnection, close, retire
from mcp_django.worker.listeners import Listeners
from mcp_django.worker.lots import in_lots
from mcp_django.worker.rechecks import Rechecks
from mcp_django.worker.tasks import LoopTasks

logger = FaultLog("mcp_django.worker")

TICK_SECONDS: Final = 1.0


class Upkeep:
    """Looks at what is open every tick, and at its users every `RECHECK_SECONDS`.

    ::

        idle ──begin()──► looks ──(ended by a stranger)──► ended
                            ▲──────────(a tick later)────────│

    Args:
        loop: Where it runs.
        connections: Each of them is ticked, and ends without valid credentials.
        listeners: Each of them is rechecked.
        ages: Says which connections are to end because they are old.
        tasks: Where that is done.
        tick_seconds: The time between two looks.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connections: Connections,
        listeners: Listeners,
        ages: Ages,
        tasks: LoopTasks,
        tick_seconds: float,
    ) -> None:
        self._loop = loop
        self._tick_seconds = tick_seconds
        self._connections = connections
        self._listeners = listeners
        self._ages = ages
        self._tasks = tasks
        self._rechecks = Rechecks(connections, tasks.start)
        self._subscriptions_asked_at = -math.inf
        self._ticking: set[OpenConnection] = set()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> bool:
        """Begin, and go on until the event loop ends.

        Returns:
            Whether it had not begun before.
        """
        if self._task is not None:
            return False
        self._subscriptions_asked_at = self._loop.time()
        self._start()
        return True

    def _start(self) -> None:
        self._task = self._loop.create_task(self._look_after(), context=own_context())
        self._task.add_done_callback(self._on_ended)

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        """Start it again, unless the event loop ends, which cancels all its tasks."""
        if not self._loop.is_closed():
            self._loop.call_later(self._tick_seconds, self._restart)

    def _restart(self) -> None:
        logger.error(
            "what looks after the connections was ended, and starts again; "
            "see what cancels all tasks"
        )
        self._start()

    async def _look_after(self) -> None:
        """Look at what is open, and at its users, every second; wait for neither."""
        while True:
            await asyncio.sleep(self._tick_seconds)
            try:
                idle = [c for c in self._connections if c not in self._ticking]
                async for some in in_lots(idle):
                    self._tick_in_task(iter(some))
                for old in self._ages.take_old():
                    logger.debug("a stream ends: it is old")
                    self._tasks.start(retire(old))
                await self._rechecks.begin()
                since_asked = self._loop.time() - self._subscriptions_asked_at
                if since_asked >= mcp_settings.RECHECK_SECONDS:
                    self._subscriptions_asked_at = self._loop.time()
                    self._listeners.recheck()
            except BaseException as error:
                if ends_task(error):
                    raise
                logger.exception(
                    "looking after the connections failed, which is tried again; "
                    "see the error"
                )

    def _tick_in_task(self, connections: Iterator[OpenConnection]) -> None:
        self._tasks.start(self._tick_all(connections))

    async def _tick_all(self, connections: Iterator[OpenConnection]) -> None:
        """Tick connections, in another task as soon as one of them waits.

        Nearly all do not, and a task for each of them would be dear.
        """
        handing_over = self._loop.call_soon(self._tick_in_task, connections)
        try:
            for connection in connections:
                self._ticking.add(connection)
                try:
                    await self._tick(connection)
                finally:
                    self._ticking.discard(connection)
        finally:
            handing_over.cancel()

    async def _tick(self, connection: OpenConnection) -> None:
        """Tick one connection; its failure is no other's."""
        try:
            await connection.tick()
        except BaseException as error:
            if ends_task(error):
                raise
            logger.exception("a connection failed, and ends; see the error")
            await close(connection, "error")
