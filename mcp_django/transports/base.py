"""The `Transport` interface: what every binding offers, and custom ones implement."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

from anyio.abc import TaskGroup

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task, error_of
from mcp_django.exceptions import RemoteProtocolError, TransportClosed
from mcp_django.protocol import jsonrpc, versions
from mcp_django.protocol.jsonrpc import Message

logger = FaultLog("mcp_django.transports")

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)  # on the hot path: a frozen one takes four times as long
class Sender:
    """The sender of a message, as far as the transport knows.

    Attributes:
        user: The site's user; None where the transport authenticates no user.
        headers: HTTP headers of the request that brought it, names in lower case;
            empty where there is no HTTP.
        size: Bytes that the message took on the wire, 0 if unknown.
        address: Where it came from, such as an IP address; "" if unknown.
        scopes: What the credential that came with it allows; None for all that the
            user may do.
        credential_label: How an administrator finds that credential again, as
            `Identity.label` has it; "" if unknown.
        has_streams: Whether something can reach it that is no answer; not over WSGI.
        binding: What carried the message, as `Transport.binding` has it, or
            "streamable-http"; "" if unknown.
    """

    user: Any = None
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    size: int = 0
    address: str = ""
    scopes: frozenset[str] | None = None
    credential_label: str = ""
    has_streams: bool = True
    binding: str = ""


OnMessage: TypeAlias = Callable[[Message, Sender], Awaitable[None]]
OnError: TypeAlias = Callable[[Exception], None]
OnEnd: TypeAlias = Callable[[], Awaitable[None]]
OnClose: TypeAlias = Callable[[], None]
OnClear: TypeAlias = Callable[[], None]
Pause: TypeAlias = Callable[[], AbstractContextManager[None]]


class Transport(ABC):
    """Carries messages to and from one peer.

    ::

        NEW --start()--> OPEN --close(), or the peer goes--> CLOSED

    Set the callbacks before `start`. Each transport is started once; after
    CLOSED nothing is delivered and nothing can be sent.

    Attributes:
        on_message: Awaited for each message, in order; returns once there was
            room for it, so that a transport that can stop reading does so meanwhile.
        on_error: Called for what went wrong and did not end the transport, such as
            a line that is no message, or `RequestFailed` for one request.
        on_end: Awaited when the peer will send nothing more, where it can still read,
            as at the end of a pipe; the transport closes after it.
        on_close: Called once, when the transport is closed by either side.
        on_clear: Called when `is_congested` has become false.
        takes_batches: Whether the peer may send batches now; the driver, which knows
            the protocol version, sets it.
        pause: Makes a block in which no wait of the driver's for an answer runs out,
            because the transport waits for a user.
        answers_faults: Whether what is no message is answered with a JSON-RPC error;
            not at the client's end, where it is reported only.
        binding: What carries the messages, in a word for operators; "custom" unless a
            transport says something else.
        owner: Whose messages it brings to a server, as `owner_of` says it; None where
            each message says so itself, and at the client's end.
    """

    binding: ClassVar[str] = "custom"

    on_message: OnMessage
    on_error: OnError
    on_end: OnEnd
    on_close: OnClose
    on_clear: OnClear
    pause: Pause
    takes_batches: bool
    answers_faults: bool
    owner: str | None = None

    def __init__(self) -> None:
        self.takes_batches = False
        self.answers_faults = True
        self.on_message = _discard
        self.on_error = _log_error
        self.on_end = _return_at_once
        self.on_close = do_nothing
        self.on_clear = do_nothing
        self.pause = nullcontext

    @property
    def url(self) -> str:
        """Where the peer is, such as "https://shop.example/mcp"; "" if at no URL."""
        return ""

    @property
    def is_congested(self) -> bool:
        """Whether what is sent now will wait until the peer has read something."""
        return False

    @abstractmethod
    async def start(self, tasks: TaskGroup) -> None:
        """Open the transport and begin to deliver messages.

        Args:
            tasks: Where the transport runs what it needs in the background; it ends
                these tasks when it closes.
        """

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Send one message; returns once it is written, or waits to be.

        May be called concurrently. Waits while the peer is too slow.

        Raises:
            TransportClosed: The transport is closed.
            ValueError: The message cannot be written as JSON.
        """

    async def send_answer(self, answer: bytes) -> None:
        """Send the answer to a request, which is written already.

        Override it where bytes can be sent as they are, which saves reading them.

        Args:
            answer: Result or error, as `jsonrpc.serialize` writes it.

        Raises:
            TransportClosed: As for `send`.
            MessageTooLarge: It is larger than the peer accepts.
            ReaderTooSlow: The peer has yet to read too much.
        """
        message = jsonrpc.parse(answer)
        assert not isinstance(message, list)  # it is one answer
        await self.send(message)

    @abstractmethod
    async def close(self) -> None:
        """Close the transport and release what it holds; more calls do nothing."""

    def messages_of(self, parsed: Message | list[Message]) -> list[Message]:
        """Give the messages of one JSON text, if it may hold as many.

        Raises:
            RemoteProtocolError: It is a batch, and the version has none.

        Spec: 2025-03-26 basic, "Batching".
        """
        if not isinstance(parsed, list):
            return [parsed]
        if not self.takes_batches:
            raise RemoteProtocolError(versions.NO_BATCHES)
        return parsed

    async def deliver(self, text: bytes, sender: Sender) -> None:
        """Hand the messages of one JSON text over, or answer what is wrong with it.

        Returns once they are handed over; do not read on before.

        Args:
            text: UTF-8 as it came.
            sender: Of the message; the size is filled in here.
        """
        try:
            messages = self.messages_of(jsonrpc.parse(text))
            # The messages of a batch share its bytes, as far as room goes.
            size = len(text) // len(messages)
            sender = replace(sender, size=size, binding=self.binding)
            for message in messages:
                await self.receive(message, sender)
        except RemoteProtocolError as error:
            await self.refuse(error)
        except BaseException as error:
            if ends_task(error):
                raise
            self.on_error(error_of(error))

    def receive(self, message: Message, sender: Sender) -> Awaitable[None]:
        """Hand one message over; override it to note what comes in.

        Raises:
            TransportClosed: What the message is for has ended.
        """
        return self.on_message(message, sender)

    async def refuse(self, error: RemoteProtocolError) -> None:
        """Report what is no message, and answer it with a JSON-RPC error.

        Its id is null if none can be read.

        Spec: JSON-RPC 2.0, section 5.1.
        """
        self.on_error(error)
        if not self.answers_faults:
            return
        with contextlib.suppress(TransportClosed):
            await self.send(
                jsonrpc.error(error.request_id, error.code, error.message, error.data)
            )


async def _discard(message: Message, sender: Sender) -> None:
    logger.warning(
        "a message came before on_message was set, and is lost; set it before open()"
    )


def _log_error(error: Exception) -> None:
    logger.warning("transport error: %s", error, of=str(error))


async def _return_at_once() -> None:
    """Stand for `on_end` until it is set."""


def do_nothing() -> None:
    """Stand for a callback until it is set."""
