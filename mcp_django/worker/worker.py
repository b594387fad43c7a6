"""A worker: what one event loop has open, and its line to the other workers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final, Protocol, Self, TypeVar

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.threads import runs_asyncio
from mcp_django.conf import mcp_settings
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.notices import Notice
from mcp_django.transports.server.unread import Unread, UnreadLimits
from mcp_django.worker.ages import Ages
from mcp_django.worker.channel_layers import service_of
from mcp_django.worker.connections import (
    Connections,
    Kind,
    OpenConnection,
    close,
    finish,
)
from mcp_django.worker.ending import finish_running, say_what_process_leaves
from mcp_django.worker.listeners import Listener, Listeners
from mcp_django.worker.making_way import make_way
from mcp_django.worker.relay import Relay
from mcp_django.worker.shutdown import call_before_shutdown, seconds_left
from mcp_django.worker.tasks import Cancel, LoopTasks
from mcp_django.worker.upkeep import TICK_SECONDS, Upkeep

logger = FaultLog("mcp_django.worker")


class Part(Protocol):
    """What one worker has of something, and has once."""

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make it for a worker."""


P = TypeVar("P", bound=Part)

_from_the_start: Final[list[type[Part]]] = []


def make_in_every_worker(kind: type[Part]) -> None:
    """Have a part made in every worker from now on, before it is first needed.

    For apps to call in `AppConfig.ready`: what hears of others, or tells of itself,
    must be there although no request has led to it. Once more does nothing.
    """
    if kind not in _from_the_start:
        _from_the_start.append(kind)


def _unread_limits() -> UnreadLimits:
    return UnreadLimits(
        max_bytes=mcp_settings.MAX_UNREAD_BYTES,
        max_bytes_per_user=mcp_settings.MAX_UNREAD_BYTES_PER_USER,
    )


class Worker:
    """What one event loop has open, what looks after that, and the line to others.

    It knows neither sessions nor exchanges. What these keep in each worker are parts of
    it, which register for what they want to hear of.

    Everything starts with the first session, or a second after the first request, and
    goes on until the loop ends; an idle worker costs one timer.

    Args:
        loop: The event loop.
        relay: The line to other workers; made by the settings if left out.
        tick_seconds: The time between two looks at what is open.

    Attributes:
        connections: All that is open and has to be looked after.
        listeners: All that want change notices.
        tasks: Handlers that go on when their connection is gone, and the like.
        relay: The line to other workers.
        unread: What its clients have yet to read.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        relay: Relay | None = None,
        *,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._loop = loop
        self._connection_closed = asyncio.Event()
        self.connections = Connections(make_way)
        self.tasks = LoopTasks()
        self.listeners = Listeners(self.tasks)
        self.unread = Unread(_unread_limits)
        self.relay = relay or _make_relay()
        self.relay.on_told("notice", self._hear_notice)
        self.relay.on_lost(self.listeners.tell_everything)
        self._parts: dict[type, Any] = {}
        self._joining: asyncio.TimerHandle | None = None
        self._ages = Ages()
        self._upkeep = Upkeep(
            loop, self.connections, self.listeners, self._ages, self.tasks, tick_seconds
        )
        for kind in _from_the_start:
            self.part(kind)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where it runs."""
        return self._loop

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end."""
        return self.connections.is_ending

    def part(self, kind: type[P]) -> P:
        """Give the one part of a kind that this worker has; made when first needed."""
        part: P | None = self._parts.get(kind)
        if part is None:
            part = self._parts[kind] = kind.make_for(self)
        return part

    def hold(self, connection: OpenConnection, kind: Kind = "stream") -> None:
        """Look after a connection; pair with `let_go`."""
        self.connections.add(connection, kind)
        if kind == "stream" and connection.ages:
            self._ages.add(connection)
        self._begin_upkeep()

    def let_go(self, connection: OpenConnection) -> None:
        """Let a connection go that has ended."""
        self.connections.remove(connection)
        self._ages.remove(connection)
        self._connection_closed.set()

    def listen(self, listener: Listener) -> None:
        """Tell of changes what is no connection here; pair with `ignore`."""
        self.listeners.add(listener)
        self._begin_upkeep()

    def ignore(self, listener: Listener) -> None:
        """Tell it no longer."""
        self.listeners.discard(listener)

    def begin(self) -> None:
        """Begin to look after what is open, and to hear what others tell.

        Who serves anything at all is also asked how it is, and told to end things.
        Where the channel layer is away, it is tried again.
        """
        if self._joining is not None:
            self._joining.cancel()
        if not self.is_ending:
            self._begin_upkeep()
            self.relay.open_soon()
            seconds = mcp_settings.RECHECK_SECONDS
            self._joining = self._loop.call_later(seconds, self.begin)

    def _begin_upkeep(self) -> None:
        if self._upkeep.begin():
            call_before_shutdown(
                self.close_all, partial(say_what_process_leaves, self.connections)
            )

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Cancel:
        """Run a coroutine in a task that is held until it ends."""
        return self.tasks.start(coroutine)

    def notify(self, server_name: str, notice: Notice) -> None:
        """Notify this worker's clients of a change; can be called in any thread."""
        self.call_soon(self.listeners.notify, server_name, notice)

    def call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the event loop; can be called in any thread."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def _hear_notice(self, told: JSONObject) -> None:
        notice = Notice(told["topic"], told["subject"], told["is_gone"])
        self.listeners.notify(told["server"], notice)

    def close_all(self) -> Coroutine[Any, Any, None]:
        """End every connection, for the end of the process.

        What is idle ends at once, what runs when it is answered, the rest after
        `MCP["SHUTDOWN_SECONDS"]`. No further requests are taken.

        What is open can tell so from when this is called, before it is awaited.
        """
        self.connections.is_ending = True
        return self._close_all()

    async def _close_all(self) -> None:
        for connection in self.connections:
            self.start(finish(connection, "shutdown"))
        await finish_running(self.connections, seconds_left())
        for connection in self.connections:
            self.start(close(connection, "shutdown"))
        await self.relay.close()
        while len(self.connections):
            self._connection_closed.clear()
            await self._connection_closed.wait()
        # What ended may have told others so, and opened the mailbox again for that;
        # what ends from now on must not.
        await self.relay.close(for_good=True)


def _make_relay() -> Relay:
    alias = mcp_settings.CHANNEL_LAYER
    return Relay(get_channel_layer(alias), service_of(alias))


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
        # Not at once: an event loop of one call, as in tests, has ended by then.
        loop.call_later(TICK_SECONDS, worker.begin)
    return worker


def workers_of_process() -> list[Worker]:
    """Give the workers of every event loop that still runs."""
    return [worker for loop, worker in list(_workers.items()) if loop.is_running()]


def tell_other_processes(
    told: JSONObject, key: Hashable, *, lasts: float = math.inf
) -> None:
    """Tell all workers of other processes something; can be called in any thread.

    Args:
        told: As for `Relay.tell_soon`, like the others.
        key: What has the same and still waits is told once.
        lasts: Seconds for which it is worth telling.
    """
    workers = workers_of_process()
    if workers or runs_asyncio():
        worker = workers[0] if workers else current_worker()
        tell = partial(worker.relay.tell_soon, told, key, lasts=lasts)
        worker.call_soon(tell)
    else:
        # A command or a task queue: no client here, but perhaps elsewhere.
        async_to_sync(_tell_as_stranger)(told)


async def _tell_as_stranger(told: JSONObject) -> None:
    # No worker is made: its event loop ends with this, and what other threads have to
    # tell meanwhile would be lost with it.
    await _make_relay().tell_as_stranger(told)
