"""A transport as an anyio `(read_stream, write_stream)` pair.

Programs written for the field's stream pairs, such as the official SDK's `Server`
and `ClientSession`, run over any `Transport` this way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mcp_django.exceptions import TransportClosed
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport


@dataclass(slots=True)
class SessionMessage:
    """An item of the streams: a message, and what the transport knows about it.

    Attributes:
        message: The JSON-RPC message.
        metadata: None; other programs put notes to their own transports here.
        sender: Who sent it; None for a message on its way out.
    """

    message: Message
    metadata: Any = None
    sender: Sender | None = None


ReadStream: TypeAlias = MemoryObjectReceiveStream[SessionMessage | Exception]
WriteStream: TypeAlias = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def open_streams(
    transport: Transport,
) -> AsyncIterator[tuple[ReadStream, WriteStream]]:
    """Start a transport and show it as a pair of streams; close it at the end.

    The read stream gives `SessionMessage`, and an exception for each error that did
    not end the transport; it ends when the transport closes. The write stream takes
    anything with a `message` attribute. Neither holds messages: a reader that is
    slow makes the transport wait.

    Closing the write stream closes the transport.
    """
    deliver, read_stream = anyio.create_memory_object_stream[
        SessionMessage | Exception
    ](0)
    write_stream, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    errors, reported = anyio.create_memory_object_stream[Exception](16)

    async def on_message(message: Message, sender: Sender) -> None:
        try:
            await deliver.send(SessionMessage(message, sender=sender))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise TransportClosed("nobody reads the messages any more") from None

    def on_error(error: Exception) -> None:
        try:
            errors.send_nowait(error)
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            # A flood of garbage must not fill the memory; the log has the rest.
            transport_log_error(error)

    transport_log_error = transport.on_error
    transport.on_message = on_message
    transport.on_error = on_error
    transport.on_close = deliver.close

    async def pass_on_errors() -> None:
        async with reported:
            async for error in reported:
                try:
                    await deliver.send(error)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return

    async def pass_out() -> None:
        async with outgoing:
            async for item in outgoing:
                try:
                    await transport.send(item.message)
                except TransportClosed:
                    break
                except ValueError as error:
                    on_error(error)
        await transport.close()

    async with (
        deliver,
        read_stream,
        write_stream,
        outgoing,
        errors,
        reported,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(pass_on_errors)
        tasks.start_soon(pass_out)
        await transport.start(tasks)
        try:
            yield read_stream, write_stream
        finally:
            with anyio.CancelScope(shield=True):
                await transport.close()
            tasks.cancel_scope.cancel()
