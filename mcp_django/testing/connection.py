"""A connection in memory between a client and a server that are both under test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.lowlevel import current_token
from django.db.models import Model

from mcp_django.auth.interface import User
from mcp_django.bulkheads.fault_lines import fault_lines
from mcp_django.client.client import Client
from mcp_django.exceptions import MCPError
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.server import Server
from mcp_django.sessions.session import Session
from mcp_django.testing.callers_thread import callers_thread, is_asyncio
from mcp_django.testing.failures import Failures
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import MemoryTransport, memory_transports
from mcp_django.worker.worker import current_worker

_CALLBACKS: Final = ("on_elicit", "on_sample", "on_log", "on_notification")


@dataclass(eq=False)
class Connection:
    """A server, a client, and what is between them.

    Attributes:
        server: The one that answers.
        sender: Called for each message of the client: says who sent it.
        options: Arguments of `Client`.
    """

    server: Server
    sender: Callable[[], Sender]
    options: Mapping[str, Any]
    _failures: Failures = field(default_factory=Failures, init=False)

    @asynccontextmanager
    async def open(self, *, raise_request_exception: bool) -> AsyncIterator[Client]:
        """Give the connected client to the end of the block; once.

        Args:
            raise_request_exception: Whether what raised unexpectedly at either end is
                raised at the end of the block, in place of what it led to.
        """
        client_end, server_end = memory_transports()
        failure: Exception | None = None
        try:
            client = Client(
                client_end,
                run_sync=callers_thread.run,
                **{**self.options, **self._watched_callbacks()},
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._serve, server_end)
                try:
                    async with client:
                        yield client
                # Raised below, where no task group makes a group of it.
                except Exception as error:
                    failure = error
                tasks.cancel_scope.cancel()
        finally:
            await client_end.close()
            await server_end.close()
            # Each test sees its own lines in the log, and not only their number.
            fault_lines.say_rest()
        if raise_request_exception and isinstance(failure, MCPError | None):
            self._failures.raise_first()
        if failure is not None:
            raise failure

    async def _serve(self, transport: MemoryTransport) -> None:
        is_closed = anyio.Event()
        transport.on_close = is_closed.set
        with self._failures.of_handlers():
            async with anyio.create_task_group() as tasks:
                threads = callers_thread
                session = Session(self.server, transport, tasks, threads=threads)
                receive = transport.on_message

                async def receive_from_user(message: Message, _: Sender) -> None:
                    await receive(message, self.sender())

                transport.on_message = receive_from_user
                with _listening(session):
                    await transport.start(tasks)
                    await is_closed.wait()
                tasks.cancel_scope.cancel()

    def _watched_callbacks(self) -> dict[str, Any]:
        """Wrap the functions that the client calls by itself."""
        return {
            name: self._failures.of_callback(self.options[name])
            for name in _CALLBACKS
            if self.options.get(name) is not None
        }


@contextmanager
def _listening(session: Session) -> Iterator[None]:
    """Let a session hear of changes; Channels, which carries them, needs asyncio."""
    if not is_asyncio(current_token()):
        yield
        return
    listeners = current_worker().listeners
    listeners.add(session)
    try:
        yield
    finally:
        listeners.discard(session)


def as_if_read_now(user: User | None) -> User | None:
    """Copy a user without what Django has looked up for it, such as permissions.

    A request of a user's finds it as the database has it, and so does not know what
    earlier requests looked up. Here no query is needed for that.
    """
    if not isinstance(user, Model):
        return user
    deferred = user.get_deferred_fields()
    names = [f.attname for f in user._meta.concrete_fields if f.attname not in deferred]
    values = [getattr(user, name) for name in names]
    copied: User = type(user).from_db(user._state.db, names, values)
    return copied
