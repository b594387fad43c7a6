"""A pair of anyio streams as a transport: the other direction of `streams`.

So a `Client` or a `Session` uses what was written for the field's stream pairs, such as
the transports of the official SDK.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mcp_django.exceptions import ConnectFailed, TransportClosed
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.streams import SessionMessage, message_of

StreamPair: TypeAlias = AbstractAsyncContextManager[Any]
"""Gives the read stream, the write stream, and whatever else, to the end of a block."""


class StreamPairTransport(Transport):
    """Carries messages over a pair of streams, whatever program made them.

    Args:
        streams: Entered by `start`, and left by `close`.
        wrap: Makes an item of the write stream of a message, where the program that
            reads insists on a class of its own, as the official SDK does.
        unwrap: Gives the message of an item of the read stream; messages, and what has
            one as its attribute `message`, if left out.
        sender: The one to name with every message.
    """

    def __init__(
        self,
        streams: StreamPair,
        *,
        wrap: Callable[[Message], Any] = SessionMessage,
        unwrap: Callable[[Any], Message] = message_of,
        sender: Sender | None = None,
    ) -> None:
        super().__init__()
        self._streams = streams
        self._wrap = wrap
        self._unwrap = unwrap
        self._sender = sender or Sender()
        self._scope = anyio.CancelScope()
        self._has_ended = anyio.Event()
        self._is_open = False
        self._is_closed = False
        self._write: Any = None
        self._reader: int | None = None

    async def start(self, tasks: TaskGroup) -> None:
        """Enter the streams, and begin to deliver what is read.

        Raises:
            ConnectFailed: They cannot be entered.
        """
        # In a task of their own, because what is entered in a task is left in it.
        await tasks.start(self._run)

    async def send(self, message: Message) -> None:
        """Write a message; waits until the reader has taken it."""
        if not self._is_open:
            raise TransportClosed("cannot send: the streams are closed")
        try:
            await self._write.send(self._wrap(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise TransportClosed("cannot send: nobody reads any more") from None

    async def close(self) -> None:
        """Leave the streams."""
        self._scope.cancel()
        # A task that is told of a message, and closes for it, must not wait for itself.
        is_reader = self._reader == anyio.get_current_task().id
        if self._write is not None and not is_reader:
            with anyio.CancelScope(shield=True):
                await self._has_ended.wait()

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        has_started = False
        self._reader = anyio.get_current_task().id
        try:
            with self._scope:
                async with self._streams as (read, self._write, *_):
                    self._is_open = has_started = True
                    task_status.started()
                    await self._read(read)
        except Exception as error:
            if not has_started:
                raise ConnectFailed(f"the streams cannot be opened: {error}") from error
            self.on_error(error)
        finally:
            self._is_open = False
            self._has_ended.set()
            if has_started:
                self.on_close()

    async def _read(self, read: Any) -> None:
        async for item in read:
            if isinstance(item, Exception):
                self.on_error(item)
                continue
            try:
                await self.on_message(self._unwrap(item), self._sender)
            except Exception as error:
                self.on_error(error)
        await self.on_end()


def is_stream_pair(read: object, write: object) -> bool:
    """Say whether two objects can be read from, and written to."""
    return callable(getattr(read, "__aiter__", None)) and callable(
        getattr(write, "send", None)
    )


class Mirror:
    """Makes items for the write stream as they come from the read stream.

    Some programs have messages there, and others items with a message in them; who
    speaks first need not be told.
    """

    def __init__(self) -> None:
        self._has_bare = False

    def unwrap(self, item: Any) -> Message:
        """Give the message of an item, and note what kind of item it is."""
        self._has_bare = not hasattr(item, "message")
        return message_of(item)

    def wrap(self, message: Message) -> Any:
        """Make an item of a message."""
        return message if self._has_bare else SessionMessage(message)


@asynccontextmanager
async def closing(read: Any, write: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Close a pair of streams at the end of the block."""
    try:
        yield read, write
    finally:
        with anyio.CancelScope(shield=True):
            await write.aclose()
            await read.aclose()
