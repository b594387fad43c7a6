"""Connections that stay open, and the session that lives as long as each."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Generic, TypeVar

from mcp_django.consumers.exchange import Disconnected, Exchange
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.server.session_lives import Why
from mcp_django.sessions.held import HeldSession
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Transport
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import Worker

T = TypeVar("T", bound=Transport)


class LongLivedConsumer(HTTPConsumer, Generic[T]):
    """A consumer that holds one connection and its session.

    Override `drive` to run another program than our `Session` over the transport.
    """

    def drive(self, transport: T, session_id: str) -> Session | None:
        """Say what drives the transport: our session, unless overridden.

        Args:
            transport: Not started yet; its callbacks `on_message` and `on_error` are
                free to be set.
            session_id: Names the session.

        Returns:
            The session, or None if something else sets the callbacks.
        """
        return Session(self.server, transport, LoopTasks(), id=session_id)


class Holding:
    """Holds a connection and its session to the end of a block.

    In the block the exchange begins, the transport is started, and the client is waited
    for to go; it is left when the transport is closed by us. Its worker knows of the
    connection before anything is waited for.

    Args:
        consumer: Says what drives the transport.
        exchange: Ended at the end, if it has begun.
        held: The connection; gets its session here.
        worker: Looks after it.
        id: Names the session.
    """

    # Neither a generator nor a task group: idle connections are many, and each of the
    # two takes more than a kilobyte.
    __slots__ = ("_consumer", "_exchange", "_held", "_id", "_staying", "_worker")

    def __init__(
        self,
        consumer: LongLivedConsumer[Any],
        exchange: Exchange,
        held: HeldSession[Any],
        worker: Worker,
        id: str,
    ) -> None:
        self._consumer = consumer
        self._exchange = exchange
        self._held = held
        self._worker = worker
        self._id = id
        self._staying: asyncio.Timeout | None = None

    async def __aenter__(self) -> None:
        """Begin to hold it."""
        held = self._held
        self._worker.hold(held)
        try:
            # One that nothing but the end of the transport lets run out.
            self._staying = await asyncio.timeout(None).__aenter__()
            held.transport.on_close = self._leave
            held.session = self._consumer.drive(held.transport, self._id)
            if held.session is not None:
                held.session.identity = held.identity
                self._worker.listeners.add(held.session)
        except BaseException:
            self._worker.let_go(held)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """End both."""
        staying, self._staying = self._staying, None
        assert staying is not None  # it was entered
        is_left = False
        try:
            try:
                await staying.__aexit__(kind, error, trace)
            except TimeoutError:
                is_left = True
            finally:
                await self._held.transport.close()
        finally:
            await self._end(_why(error, is_left=is_left))
        return is_left

    async def _end(self, why: Why) -> None:
        held = self._held
        try:
            if held.session is not None:
                await held.session.end(why)
                self._worker.listeners.discard(held.session)
            if self._exchange.is_started:
                await self._exchange.end_stream()
        finally:
            # Last, because the end of the process waits for it.
            self._worker.let_go(held)

    def _leave(self) -> None:
        """Leave the block, wherever it waits."""
        if self._staying is not None:
            self._staying.reschedule(0.0)


def _why(error: BaseException | None, *, is_left: bool) -> Why:
    """Say why a connection has ended, where nothing else is known of it."""
    if is_left:
        # Whatever else closes a transport says why.
        return "unresponsive"
    match error:
        case None | Disconnected():
            return "disconnected"
        case asyncio.CancelledError():
            return "shutdown"
        case _:
            return "error"
