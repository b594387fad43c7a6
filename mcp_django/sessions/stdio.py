"""A session over standard input and output, for one local user."""

from __future__ import annotations

import os
import signal

import anyio

from mcp_django.auth.interface import User
from mcp_django.conf import mcp_settings
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.server import Server
from mcp_django.sessions.runner import Session
from mcp_django.sessions.users import read_again
from mcp_django.sessions.worker import current_worker
from mcp_django.transports.base import Sender
from mcp_django.transports.stdio import StdioServerTransport

_GRACE_SECONDS = 1.5
"""For running handlers after the end of the input; clients wait two seconds."""

_PARENT_SECONDS = 1.0


async def serve_stdio(server: Server, user: User, *, stdin: int, stdout: int) -> None:
    """Serve one client, until its input ends, a signal comes, or its process is gone.

    Args:
        server: Who answers.
        user: Whom the client works as; read from the database again now and then.
        stdin: File descriptor to read messages from.
        stdout: File descriptor to write messages to.
    """

    async def finish() -> None:
        with anyio.move_on_after(_GRACE_SECONDS):
            await session.wait_until_idle()

    async with anyio.create_task_group() as tasks:
        transport = StdioServerTransport(
            stdin=stdin,
            stdout=stdout,
            sender=Sender(),
            max_line_bytes=mcp_settings.MAX_LINE_BYTES,
            on_end=finish,
        )
        transport.on_close = tasks.cancel_scope.cancel
        session = Session(server, transport, tasks)
        transport.on_message = _LocalUser(user, session, transport).receive
        worker = current_worker()
        await worker.relay.open()
        worker.listeners.add(session)
        tasks.start_soon(_close_on_signal, transport)
        tasks.start_soon(_close_without_parent, transport)
        await transport.start(tasks)


class _LocalUser:
    """Names the user as sender of every message, as the database has them now."""

    def __init__(
        self, user: User, session: Session, transport: StdioServerTransport
    ) -> None:
        self._user: User = user
        self._session = session
        self._transport = transport
        self._read_at = anyio.current_time()

    async def receive(self, message: Message, sender: Sender) -> None:
        due = self._read_at + mcp_settings.RECHECK_SECONDS
        if anyio.current_time() >= due:
            await self._read_again()
        await self._session.receive(message, Sender(self._user, size=sender.size))

    async def _read_again(self) -> None:
        user = await read_again(self._user)
        self._read_at = anyio.current_time()
        if user is None:
            await self._transport.close()
        else:
            self._user = user


async def _close_on_signal(transport: StdioServerTransport) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            await transport.close()


async def _close_without_parent(transport: StdioServerTransport) -> None:
    """Close when whoever started us is gone without a word."""
    parent = os.getppid()
    # No event tells of it on every system, so that this looks every second.
    while os.getppid() == parent:  # noqa: ASYNC110
        await anyio.sleep(_PARENT_SECONDS)
    await transport.close()
