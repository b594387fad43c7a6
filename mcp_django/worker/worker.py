"""A worker: what one event loop knows of its sessions and of the other workers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from channels.layers import get_channel_layer

from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.exchanges.open_sessions import HTTPSessions, Standalone
from mcp_django.exchanges.turns import Turns
from mcp_django.server.notices import Notice
from mcp_django.sessions.registry import OpenSession, Registry
from mcp_django.transports.server.unread import Unread, UnreadLimits
from mcp_django.worker.channel_layers import service_of
from mcp_django.worker.connections import (
    Connections,
    Kind,
    Listener,
    OpenConnection,
    Places,
    TooManyOpen,
    close,
    finish,
)
from mcp_django.worker.ending import finish_running, say_what_process_leaves
from mcp_django.worker.local_notices import LocalNotices
from mcp_django.worker.making_way import make_way
from mcp_django.worker.rechecks import Rechecks
from mcp_django.worker.relay import Relay
from mcp_django.worker.sealed_ids import make_session_id
from mcp_django.worker.shutdown import call_before_shutdown, seconds_left
from mcp_django.worker.tasks import Cancel, LoopTasks

logger = logging.getLogger("mcp_django.worker")

_TICK_SECONDS = 1.0

_SUBSCRIBERS_AT_ONCE = 8
_SUBSCRIBER_SECONDS = 30.0
"""How long all that one client subscribed to may take; the rest comes next time."""


def _unread_limits() -> UnreadLimits:
    return UnreadLimits(
        max_bytes=mcp_settings.MAX_UNREAD_BYTES,
        max_bytes_per_user=mcp_settings.MAX_UNREAD_BYTES_PER_USER,
    )


class Worker:
    """One event loop's sessions, its mailbox, and the task that looks after them.

    Everything starts with the first session and goes on until the loop ends; an idle
    worker costs one timer.

    Attributes:
        connections: All that is open and has to be looked after.
        registry: The open sessions that have an id.
        listeners: All who want change notices.
        http: What is open of the sessions over Streamable HTTP.
        tasks: Handlers that go on when their connection is gone, and the like.
        relay: The way to sessions of other workers.
        turns: The requests of batches that run or wait, by session.
        unread: What its clients have yet to read.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._upkeep: asyncio.Task[None] | None = None
        self._connection_closed = asyncio.Event()
        self.connections = Connections()
        self.registry = Registry()
        self.listeners: set[Listener] = set()
        self.tasks = LoopTasks()
        self.turns = Turns()
        self.unread = Unread(_unread_limits)
        self.relay = Relay(
            get_channel_layer(mcp_settings.CHANNEL_LAYER),
            find=self.registry.find,
            on_notice=self.tell,
            take_answer=lambda *answer: self.http.take_answer(*answer),
            on_told=lambda told: self.http.hear(told),
            on_lost=self._make_up_for_losses,
            service=service_of(mcp_settings.CHANNEL_LAYER),
        )
        self.http = HTTPSessions(self.relay, self.start)
        self._notices = LocalNotices(self.listeners, self.http, self.start)
        self._rechecks = Rechecks(self.connections, self.start)
        self._subscriptions_asked_at = -math.inf
        self._asking = asyncio.Semaphore(_SUBSCRIBERS_AT_ONCE)
        self._asked: set[Listener | Standalone] = set()
        self._ticking: set[OpenConnection] = set()

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end."""
        return self.connections.is_ending

    async def reserve(self, owner: str, kind: Kind, count: int = 1) -> Places:
        """Reserve places for what a user is about to open.

        If the user has too much open, what is dead of it makes way first.

        Args:
            owner: Names the user; "" is none, and has no limit.
            kind: What is to be opened.
            count: How many of them.

        Raises:
            TooManyOpen: Nothing, or not enough, makes way.
            Refused: The process ends.
        """
        try:
            return self.connections.reserve(owner, kind, count)
        except TooManyOpen:
            await make_way(self.connections, owner, kind)
            return self.connections.reserve(owner, kind, count)

    async def new_session_id(self) -> str:
        """Make the id of a session that this worker is about to open."""
        return make_session_id(await self.relay.open())

    def open(self, opened: OpenSession) -> None:
        """Take a session in; pair with `close`."""
        self.registry.add(opened)
        if opened.session is not None:
            self.listeners.add(opened.session)
        self.hold(opened)

    def close(self, opened: OpenSession) -> None:
        """Let a session go whose stream has ended."""
        self.registry.remove(opened)
        if opened.session is not None:
            self.listeners.discard(opened.session)
        self.let_go(opened)

    def hold(self, connection: OpenConnection, kind: Kind = "stream") -> None:
        """Look after a connection; pair with `let_go`."""
        self.connections.add(connection, kind)
        self._begin_upkeep()

    def let_go(self, connection: OpenConnection) -> None:
        """Let a connection go that has ended."""
        self.connections.remove(connection)
        self._connection_closed.set()

    def listen(self, listener: Listener) -> None:
        """Tell somebody of changes who is no connection here; pair with `ignore`."""
        self.listeners.add(listener)
        self._begin_upkeep()

    def ignore(self, listener: Listener) -> None:
        """Tell them no longer."""
        self.listeners.discard(listener)

    def _begin_upkeep(self) -> None:
        if self._upkeep is None:
            self._subscriptions_asked_at = self._loop.time()
            self._start_upkeep()
            call_before_shutdown(
                self.close_all, partial(say_what_process_leaves, self.connections)
            )

    def _start_upkeep(self) -> None:
        self._upkeep = self._loop.create_task(self._look_after(), context=own_context())
        self._upkeep.add_done_callback(self._on_upkeep_ended)

    def _on_upkeep_ended(self, upkeep: asyncio.Task[None]) -> None:
        """Start it again, unless the event loop ends, which cancels all its tasks."""
        if not self._loop.is_closed():
            self._loop.call_later(_TICK_SECONDS, self._restart_upkeep)

    def _restart_upkeep(self) -> None:
        logger.error("what looks after the connections was ended; it starts again")
        self._start_upkeep()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Cancel:
        """Run a coroutine in a task that is held until it ends."""
        return self.tasks.start(coroutine)

    def tell(self, server_name: str, notice: Notice) -> None:
        """Tell this worker's sessions of a change; can be called in any thread."""
        self._loop.call_soon_threadsafe(self._notices.put, server_name, notice)

    def publish(self, server_name: str, notice: Notice) -> None:
        """Tell the other workers of a change; can be called in any thread."""
        self._loop.call_soon_threadsafe(self.relay.publish_soon, server_name, notice)

    def close_all(self) -> Coroutine[Any, Any, None]:
        """End every connection, for the end of the process.

        What is idle ends at once, what runs when it is answered, the rest after
        `MCP["SHUTDOWN_SECONDS"]`. No further requests are taken.

        Whoever is open can tell so from when this is called, before it is awaited.
        """
        self.connections.is_ending = True
        return self._close_all()

    async def _close_all(self) -> None:
        for connection in self.connections:
            self.start(finish(connection))
        await finish_running(self.connections, seconds_left())
        for connection in self.connections:
            self.start(close(connection))
        await self.relay.close()
        while len(self.connections):
            self._connection_closed.clear()
            await self._connection_closed.wait()
        # What ended may have told others so, and opened the mailbox again for that;
        # what ends from now on must not.
        await self.relay.close(for_good=True)

    def _make_up_for_losses(self) -> None:
        """Read again what others told in vain, and have clients do so."""
        self.http.look_again()
        self._notices.put_everything()

    async def _look_after(self) -> None:
        """Look at what is open, and at its users, every second; wait for nobody."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                idle = [c for c in self.connections if c not in self._ticking]
                self._tick_in_task(iter(idle))
                self._rechecks.begin()
                since_asked = self._loop.time() - self._subscriptions_asked_at
                if since_asked >= mcp_settings.RECHECK_SECONDS:
                    self._subscriptions_asked_at = self._loop.time()
                    self._recheck_subscriptions()
            except BaseException as error:
                if ends_task(error):
                    raise
                logger.exception("looking after the connections failed; going on")

    def _tick_in_task(self, connections: Iterator[OpenConnection]) -> None:
        self.start(self._tick_all(connections))

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
            logger.exception("a connection failed; it ends")
            await close(connection)

    def _recheck_subscriptions(self) -> None:
        """Begin to ask anew what subscribers may read, unless they are asked still."""
        subscribed: list[Listener | Standalone] = [*self.listeners, *self.http.streams]
        for listener in subscribed:
            if listener not in self._asked:
                self._asked.add(listener)
                self.tasks.start(
                    self._recheck_subscription(listener),
                    partial(self._asked.discard, listener),
                )

    async def _recheck_subscription(self, listener: Listener | Standalone) -> None:
        try:
            # So that one with many that are slow leaves others their turn.
            async with self._asking, asyncio.timeout(_SUBSCRIBER_SECONDS):
                await listener.recheck()
        except TimeoutError:
            logger.warning("a subscriber's rights take long to be asked for again")
        except BaseException as error:
            if ends_task(error):
                raise
            logger.exception("a subscriber's rights cannot be asked for again")


_workers: dict[asyncio.AbstractEventLoop, Worker] = {}


def current_worker() -> Worker:
    """Give the worker of the running event loop."""
    loop = asyncio.get_running_loop()
    worker = _workers.get(loop)
    if worker is None:
        for other in list(_workers):
            if other.is_closed():
                _workers.pop(other, None)
        worker = _workers[loop] = Worker(loop)
    return worker


def workers_of_process() -> list[Worker]:
    """Give the workers of every event loop that still runs."""
    return [worker for loop, worker in list(_workers.items()) if loop.is_running()]
