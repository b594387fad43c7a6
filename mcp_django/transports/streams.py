"""A transport as an anyio `(read_stream, write_stream)` pair.

Programs written for the field's stream pairs, such as the official SDK's `Server`
and `ClientSession`, run over any `Transport` this way.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp_types import CONNECTION_CLOSED
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import BaseModel

from mcp_django.exceptions import (
    MessageTooLarge,
    RemoteProtocolError,
    RequestFailed,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport


@dataclass(slots=True)
class SessionMessage:
    """An item of the streams: a message, and what the transport knows about it.

    Attributes:
        message: The JSON-RPC message.
        metadata: None; other programs put notes to their own transports here.
        sender: Of the message; None for a message on its way out.
    """

    message: Message
    metadata: Any = None
    sender: Sender | None = None


_MESSAGES = (JSONRPCRequest, JSONRPCNotification, JSONRPCResponse, JSONRPCError)


def message_of(item: Any) -> Message:
    """Give the message of an item of any pair of streams.

    Args:
        item: A message, or what has one as its attribute `message`. Of whatever class
            the message is: those of the official SDK 1.x are others than ours.

    Raises:
        RemoteProtocolError: It is no JSON-RPC message.
    """
    message: Any = getattr(item, "message", item)
    if isinstance(message, _MESSAGES):
        return message
    if isinstance(message, BaseModel):
        message = message.model_dump(mode="json", by_alias=True, exclude_none=True)
    return jsonrpc.check(message)


Wrap: TypeAlias = Callable[[Message, Sender], Any]

# Items are of whatever class the program at the other end of the streams has.
ReadStream: TypeAlias = MemoryObjectReceiveStream[Any]
WriteStream: TypeAlias = MemoryObjectSendStream[Any]


_MAX_ERRORS = 16
"""Errors that wait to be read."""

_GRACE_SECONDS = 2.0
"""For what is still to be sent when the peer says no more."""


def wrap_with_sender(message: Message, sender: Sender) -> SessionMessage:
    """Make an item of the read stream that names its sender."""
    return SessionMessage(message, sender=sender)


class _Joint:
    """Passes messages and errors between a transport and the streams."""

    def __init__(
        self,
        transport: Transport,
        wrap: Wrap,
        deliver: MemoryObjectSendStream[Any],
        errors: MemoryObjectSendStream[Exception],
    ) -> None:
        self._transport = transport
        self._wrap = wrap
        self._deliver = deliver
        self._errors = errors
        self._log_error = transport.on_error
        self._on_close = transport.on_close
        self.has_passed_all = anyio.Event()
        transport.on_message = self._receive
        transport.on_error = self._report
        transport.on_end = self._finish
        transport.on_close = self._end

    async def pass_errors(self, reported: MemoryObjectReceiveStream[Exception]) -> None:
        """Deliver errors among the messages, until the program reads no more."""
        async with reported:
            async for error in reported:
                try:
                    await self._deliver.send(self._item_of(error))
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    self._log_error(error)
                    return

    async def pass_out(self, outgoing: MemoryObjectReceiveStream[Any]) -> None:
        """Send what is written, then close the transport."""
        async with outgoing:
            async for item in outgoing:
                try:
                    await self._send(message_of(item))
                except TransportClosed:
                    break
                except RemoteProtocolError as error:
                    # Of our own side; but there the word is that of the peer.
                    self._report(ValueError(f"cannot send {item!r:.200}: {error}"))
        self.has_passed_all.set()
        await self._transport.close()

    async def _send(self, message: Message) -> None:
        try:
            await self._transport.send(message)
        except MessageTooLarge as error:
            await self._give_up(message, error, str(error))
        except ValueError as error:
            await self._give_up(message, error, "Internal error")

    async def _give_up(self, message: Message, error: Exception, text: str) -> None:
        """Let the program wait no longer for the answer to what cannot be sent."""
        if isinstance(message, JSONRPCRequest):
            error = RequestFailed(str(error), request_id=message.id)
        self._report(error)
        if isinstance(message, JSONRPCResponse):
            answer = jsonrpc.error(message.id, INTERNAL_ERROR, text)
            await self._transport.send(answer)

    def _item_of(self, error: Exception) -> Any:
        """Make an answer of what is the end of a request: its sender waits for one."""
        match error:
            case RequestFailed(request_id=id) if id is not None:
                answer = jsonrpc.error(id, CONNECTION_CLOSED, str(error))
                return self._wrap(answer, Sender())
            case _:
                return error

    async def _receive(self, message: Message, sender: Sender) -> None:
        try:
            await self._deliver.send(self._wrap(message, sender))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise TransportClosed("nobody reads the messages any more") from None

    def _report(self, error: Exception) -> None:
        # A flood of garbage must not fill the memory; the log has the rest. Of failed
        # requests there are only as many as were sent.
        waiting = self._errors.statistics().current_buffer_used
        if waiting >= _MAX_ERRORS and not isinstance(error, RequestFailed):
            self._log_error(error)
            return
        try:
            self._errors.send_nowait(error)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._log_error(error)

    async def _finish(self) -> None:
        """Let the program answer what it was asked before the peer said no more."""
        self._deliver.close()
        with anyio.move_on_after(_GRACE_SECONDS):
            await self.has_passed_all.wait()

    def _end(self) -> None:
        self._deliver.close()
        self._on_close()


@asynccontextmanager
async def open_streams(
    transport: Transport, *, wrap: Wrap = wrap_with_sender, start: bool = True
) -> AsyncIterator[tuple[ReadStream, WriteStream]]:
    """Start a transport and show it as a pair of streams; close it at the end.

    The read stream gives an item for each message, and an exception for each error
    that did not end the transport; it ends when the peer says no more. The write stream
    takes messages, and anything with a `message` attribute. Neither holds messages: a
    reader that is slow makes the transport wait. A request whose answer cannot come any
    more is answered with a JSON-RPC error.

    Closing the write stream, or leaving without an exception, closes the transport
    once everything written is sent. A result that cannot be sent is answered with an
    error instead.

    Args:
        transport: Its `on_error` and `on_close` are still called, the first for errors
            that the program does not read.
        wrap: Makes an item of a message and its sender, where the program that reads
            insists on a class of its own, as the official SDK's `Server` does.
        start: False if the holder of the connection starts it, as `SSEConsumer` does.

    Raises:
        ConnectFailed: There is no connection.
    """
    deliver, read_stream = anyio.create_memory_object_stream[Any](0)
    write_stream, outgoing = anyio.create_memory_object_stream[Any](0)
    errors, reported = anyio.create_memory_object_stream[Exception](math.inf)
    joint = _Joint(transport, wrap, deliver, errors)
    ending: Exception | None = None
    async with (
        deliver,
        read_stream,
        write_stream,
        outgoing,
        errors,
        reported,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(joint.pass_errors, reported)
        tasks.start_soon(joint.pass_out, outgoing)
        try:
            if start:
                await transport.start(tasks)
            yield read_stream, write_stream
            write_stream.close()
            if not outgoing.statistics().open_send_streams:
                await joint.has_passed_all.wait()
        except Exception as error:
            # So that callers see the exception itself, and no group of one.
            ending = error
        finally:
            with anyio.CancelScope(shield=True):
                await transport.close()
            tasks.cancel_scope.cancel()
    if ending is not None:
        raise ending
