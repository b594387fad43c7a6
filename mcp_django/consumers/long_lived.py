"""Connections that stay open, and the session that lives as long as each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from mcp_django.auth.interface import Identity
from mcp_django.conf import mcp_settings
from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Transport
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.making_way import make_way
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import Worker

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


async def make_way_for_stream(worker: Worker, identity: Identity) -> None:
    """End what is dead of a user who has as many streams as a user may have."""
    owner, limit = identity.owner, mcp_settings.MAX_STREAMS_PER_USER
    if owner and worker.connections.count_of(owner) >= limit:
        await make_way(worker, owner, "stream")


def check_streams(worker: Worker, identity: Identity) -> None:
    """Refuse one more connection of a user who has too many; nobody is not a user.

    Raises:
        Refused: 429; 503 if the process ends.
    """
    check_goes_on(worker)
    limit = mcp_settings.MAX_STREAMS_PER_USER
    if identity.owner and worker.connections.count_of(identity.owner) >= limit:
        raise Refused(
            429,
            f"{limit} streams of this user are open; close one",
            headers=[(b"retry-after", b"10")],
        )


def check_goes_on(worker: Worker) -> None:
    """Refuse what begins while the process ends.

    Raises:
        Refused: 503.
    """
    if worker.is_ending:
        raise Refused(
            503,
            "the server is being shut down; try again",
            headers=[(b"retry-after", b"1")],
        )
