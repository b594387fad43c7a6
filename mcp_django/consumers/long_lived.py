"""Connections that stay open, and the session that lives as long as each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Transport
from mcp_django.worker.tasks import LoopTasks

T = TypeVar("T", bound=Transport)


class HoldingConsumer(HTTPConsumer, Generic[T]):
    """A consumer that holds one connection and its session.

    Override `drive` to run another program than our `Session` over the transport.
    """

    def drive(self, transport: T, tasks: TaskGroup, session_id: str) -> Session | None:
        """Say what drives the transport: our session, unless overridden.

        Args:
            transport: Not started yet; its callbacks `on_message` and `on_error` are
                free to be set.
            tasks: Cancelled when the connection ends.
            session_id: Names the session.

        Returns:
            The session, or None if something else sets the callbacks.
        """
        return Session(self.server, transport, LoopTasks(), id=session_id)

    async def hold(
        self,
        exchange: Exchange,
        transport: T,
        session_id: str,
        *,
        enter: Callable[[Session | None], Callable[[], None]],
        run: Callable[[TaskGroup], Awaitable[None]],
    ) -> None:
        """Hold a connection until either side ends it.

        Args:
            exchange: Ended at the end, if it has begun.
            transport: Closed at the end.
            session_id: Names the session.
            enter: Called at once, without waiting for anything before: tells the worker
                of the connection and its session, and returns what makes it forget.
            run: Begins the exchange, starts the transport, and returns when the client
                is gone; cancelled when the transport is closed by us.
        """
        session = leave = None
        try:
            async with anyio.create_task_group() as tasks:
                transport.on_close = tasks.cancel_scope.cancel
                session = self.drive(transport, tasks, session_id)
                leave = enter(session)
                try:
                    await run(tasks)
                finally:
                    await transport.close()
        finally:
            try:
                if session is not None:
                    await session.end()
                if exchange.is_started:
                    await exchange.end_stream()
            finally:
                # Last, because the end of the process waits for it.
                if leave is not None:
                    leave()
