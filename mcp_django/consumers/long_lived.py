"""Connections that stay open, and the session that lives as long as each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.http import HTTPConsumer
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

    @asynccontextmanager
    async def hold(
        self, exchange: Exchange, held: HeldSession[Any], worker: Worker, id: str
    ) -> AsyncIterator[TaskGroup]:
        """Hold a connection and its session to the end of the block.

        In the block the exchange begins, the transport is started, and the client is
        waited for to go; it is cancelled when the transport is closed by us. Its worker
        knows of the connection before anything is waited for.

        Args:
            exchange: Ended at the end, if it has begun.
            held: The connection; gets its session here.
            worker: Looks after it.
            id: Names the session.

        Returns:
            Tasks that end with the block.
        """
        session, transport = None, held.transport
        worker.hold(held)
        try:
            async with anyio.create_task_group() as tasks:
                transport.on_close = tasks.cancel_scope.cancel
                session = held.session = self.drive(transport, tasks, id)
                if session is not None:
                    worker.listeners.add(session)
                try:
                    yield tasks
                finally:
                    await transport.close()
        finally:
            try:
                if session is not None:
                    await session.end()
                    worker.listeners.discard(session)
                if exchange.is_started:
                    await exchange.end_stream()
            finally:
                # Last, because the end of the process waits for it.
                worker.let_go(held)
