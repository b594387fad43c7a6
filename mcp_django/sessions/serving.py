"""Serving one client over any transport, outside HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio

from mcp_django.auth.interface import Identity, User, anonymous, owner_of
from mcp_django.auth.users import read, read_again
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import contained
from mcp_django.bulkheads.threads import lone_threads, runs_asyncio
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.server import Server
from mcp_django.server.session_lives import Why
from mcp_django.sessions.held import HeldSession
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from mcp_django.worker.ending import say_what_is_left
from mcp_django.worker.rechecks import seconds_without_yes
from mcp_django.worker.shutdown import is_ending
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import current_worker

logger = FaultLog("mcp_django.sessions")


async def serve(
    server: Server, transport: Transport, *, user: User | None = None
) -> None:
    """Serve one client, in every version, until either side closes the transport.

    The session hears of changes, and operators see and end it, like those of the site's
    own connections. What is
    begun gets `MCP["SHUTDOWN_SECONDS"]` to finish when the client sends nothing more
    but still reads; `on_end` waits for that, but not if it is called again.

    Args:
        server: Answers the requests.
        transport: Not started yet; closed at the end. Its `on_error` and `on_close` are
            still called.
        user: The one that the client works as; read from the database again every
            `MCP["RECHECK_SECONDS"]`, so that a deactivated user is gone. None leaves it
            to the transport to name the sender of each message.
    """
    if user is not None:
        user = await read(user)
    transport.owner = owner_of(user)
    transport.on_error = contained(
        transport.on_error, logger, "on_error of a transport"
    )
    try:
        async with anyio.create_task_group() as tasks:
            handlers = LoopTasks() if runs_asyncio() else tasks
            session = Session(server, transport, handlers, threads=lone_threads)
            end = _End(session, transport)
            if user is not None:
                named = _NamedUser(user, session, transport)
                transport.on_message = named.receive
            why: Why = "shutdown"
            try:
                async with _held(session, transport, user):
                    await transport.start(tasks)
                    await end.is_reached.wait()
                    why = "disconnected"
            except Exception:
                why = "error"
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await session.end(why)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await transport.close()


class _End:
    """The end of the session of one client, whose transport tells of it.

    Attributes:
        is_reached: Set when the transport is closed.
    """

    def __init__(self, session: Session, transport: Transport) -> None:
        self.is_reached = anyio.Event()
        self._session = session
        self._is_finishing = False
        self._on_close = contained(
            transport.on_close, logger, "on_close of a transport"
        )
        transport.on_close = self._reach
        transport.on_end = self._finish

    def _reach(self) -> None:
        self.is_reached.set()
        self._on_close()

    async def _finish(self) -> None:
        """Let what runs be answered, within a bound, when the client sends no more."""
        if self._is_finishing:
            return
        self._is_finishing = True
        self._session.note_why("shutdown" if is_ending() else "client")
        try:
            with anyio.move_on_after(mcp_settings.SHUTDOWN_SECONDS):
                await self._session.finish()
        finally:
            say_what_is_left("the client has gone", self._session.room.running)


class _NamedUser:
    """Names the user as sender of every message, as the database has them now."""

    def __init__(self, user: User, session: Session, transport: Transport) -> None:
        self._user: User = user
        self._session = session
        self._transport = transport
        self._on_message = transport.on_message
        self._read_at = time.monotonic()

    async def receive(self, message: Message, sender: Sender) -> None:
        due = self._read_at + mcp_settings.RECHECK_SECONDS
        if time.monotonic() >= due and not await self._read_again():
            return
        await self._on_message(message, replace(sender, user=self._user))

    async def _read_again(self) -> bool:
        """Read the user afresh; False if it is gone, and the transport closed.

        One that cannot be read now is still known, but no longer than a stream goes on
        whose credentials cannot be checked.
        """
        try:
            user = await read_again(self._user)
        except ServiceAway:  # it has said so in the log
            since = time.monotonic() - self._read_at
            if since < seconds_without_yes():
                return True
            user = None
        self._read_at = time.monotonic()
        if user is None:
            self._session.note_why("credentials")
            await self._transport.close()
            return False
        self._user = user
        return True


class _Served(HeldSession[Any]):
    """A session over any transport, as its worker sees it.

    How well its client reads is known to its transport alone, and it does not age: who
    opened it could not open it again.
    """

    __slots__ = ()

    ages = False

    @property
    def unread_seconds(self) -> float:
        """Nothing that is known."""
        return 0.0

    async def tick(self) -> None:
        """Leave it alone."""


@asynccontextmanager
async def _held(
    session: Session, transport: Transport, user: User | None
) -> AsyncIterator[None]:
    """Let a session hear of changes and operators; the worker needs asyncio."""
    if not runs_asyncio():
        yield
        return
    worker = current_worker()
    await worker.relay.open()
    identity = anonymous() if user is None else Identity(user)
    held = _Served(identity=identity, transport=transport, session=session)
    worker.listen(session)
    worker.hold(held)
    try:
        yield
    finally:
        worker.let_go(held)
        worker.ignore(session)
