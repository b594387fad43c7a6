"""Streamable HTTP: the client's half, for every version of the protocol.

The era is chosen for each message by what it carries.

Spec: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import anyio
from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest, RequestId

from mcp_django.exceptions import RequestFailed, TransportClosed
from mcp_django.protocol import jsonrpc, methods
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.modern import is_modern
from mcp_django.transports.client.http import read_refusal
from mcp_django.transports.client.http_library import httpx2
from mcp_django.transports.client.http_transport import (
    MAX_MESSAGE_BYTES,
    HTTPClientTransport,
)
from mcp_django.transports.client.streamable_http_eras import (
    Era,
    LegacySession,
    ModernEra,
)
from mcp_django.transports.client.streamable_http_exchange import (
    Endpoint,
    RequestExchange,
    post_one_way,
)
from mcp_django.transports.client.streamable_http_listening import Listening

MAX_ON_THEIR_WAY: Final = 100
"""Notifications and answers that may be on their way at once; `send` waits beyond."""

_INITIALIZED: Final = "notifications/initialized"
_STREAM_SECONDS: Final = 1.0
"""How long a session's stream may hold up requests. Some servers give it only when they
have something to send on it."""


Wait: TypeAlias = Callable[[], Awaitable[None]]


async def _at_once() -> None:
    """Wait for nothing."""


class StreamableHTTPClientTransport(HTTPClientTransport):
    """The client's half: posts each message, and reads what each POST is answered with.

    It serves any program that speaks the protocol: which era a message is of, what
    session there is, and which request is cancelled it takes from the messages
    themselves.

    `notifications/cancelled` closes the connection of the request that it names. In the
    modern era that says all; in a legacy session it is posted, too.

    After the loss of a session, requests fail with `SessionLost` until `initialize` is
    sent again.

    Args:
        url: The MCP endpoint.
        headers: For every HTTP request.
        auth: For every HTTP request.
        http: A client of the caller, which stays open.
        verify: TLS settings, such as a CA of your own; those of the system if left out.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds of silence after which a connection counts as broken.
        max_message_bytes: Longest message to take.
        listens: Whether to open the standalone stream of a legacy session.

    Raises:
        ValueError: A header cannot be written, or `verify` comes with `http`.
    """

    binding = "streamable-http"

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: httpx2.Auth | None = None,
        http: httpx2.AsyncClient | None = None,
        verify: ssl.SSLContext | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 300.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        listens: bool = True,
    ) -> None:
        super().__init__(
            url,
            headers=headers,
            auth=auth,
            http=http,
            verify=verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_message_bytes=max_message_bytes,
        )
        self._listens = listens
        self._modern = ModernEra()
        self._session = LegacySession()
        self._listening: Listening | None = None
        self._pending: dict[RequestId, RequestExchange] = {}
        self._room = anyio.Semaphore(MAX_ON_THEIR_WAY)
        self._order = _Order(connect_timeout)

    async def send(self, message: Message) -> None:
        """Begin to post a message.

        What becomes of it is reported: answers to `on_message`, failures to
        `on_error`. Messages of a legacy session wait for the notifications before them
        to be accepted, and for its stream to open.

        Raises:
            TransportClosed: The transport is closed.
            ValueError: The message cannot be written as JSON.
        """
        body = jsonrpc.serialize(message)
        self._check_is_open()
        match message:
            case JSONRPCRequest():
                self._send_request(message, body)
            case JSONRPCNotification(method="notifications/cancelled"):
                await self._send_cancelled(message, body)
            case _:
                await self._send_one_way(message, body)

    async def _open(self) -> None:
        # There is no connection yet: the first message makes one.
        self._endpoint = Endpoint(
            http=self._http,
            url=self._url,
            max_message_bytes=self._max_message_bytes,
            parse=self._parse,
            hand_over=self._hand_over,
            on_error=lambda error: self.on_error(error),
        )

    async def _say_goodbye(self) -> None:
        """End the session.

        Spec: 2025-11-25 basic/transports, "Session Management".
        """
        if not self._session.has_id:
            return
        with suppress(RequestFailed):
            async with self._http.exchange(
                "DELETE", self._url, headers=self._session.headers_of()
            ) as response:
                await read_refusal(response)

    def _parse(self, text: bytes, era: Era) -> list[Message]:
        self.takes_batches = era.takes_batches
        return self.messages_of(jsonrpc.parse(text))

    # Requests -------------------------------------------------------------------

    def _send_request(self, request: JSONRPCRequest, body: bytes) -> None:
        era: Era = self._session
        may_begin = self._order.make_wait()
        if is_modern(request):
            era, may_begin = self._modern, _at_once
        elif request.method == methods.INITIALIZE:
            era, may_begin = self._renew_session(), _at_once
        exchange = RequestExchange(self._endpoint, era, request, body)
        self._pending[request.id] = exchange

        async def ask() -> None:
            try:
                await exchange.run(may_begin)
            finally:
                if self._pending.get(request.id) is exchange:
                    del self._pending[request.id]
                self._note_loss()

        self._spawn(ask, request_id=request.id)

    def _renew_session(self) -> LegacySession:
        """Forget the session, for a new one."""
        self._stop_listening()
        self._session = LegacySession()
        self._order = _Order(self._timeouts.connect)
        return self._session

    def _note_loss(self) -> None:
        """Read no stream of a session that the server knows no more."""
        if self._session.is_lost:
            self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    # Notifications and answers --------------------------------------------------

    async def _send_one_way(self, message: Message, body: bytes) -> None:
        await self._wait_for_room()
        if is_modern(message):
            self._post(message, body, self._modern)
            return
        may_begin, passed = self._order.make_wait(), None
        if isinstance(message, JSONRPCNotification):
            passed = self._order.add(message)
        self._post(message, body, self._session, may_begin, passed)

    async def _send_cancelled(self, message: JSONRPCNotification, body: bytes) -> None:
        """Close the connection of a request; in a legacy session, post that, too.

        Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"; 2025-11-25
        basic/transports, "Sending Messages to the Server".
        """
        era: Era = self._modern
        if self._session.is_open and not is_modern(message):
            era = self._session
        id = (message.params or {}).get("requestId")
        exchange = self._pending.pop(id, None) if isinstance(id, str | int) else None
        may_begin: Wait = _at_once
        if exchange is not None:
            era = exchange.era
            if era is self._modern or not exchange.is_begun:
                exchange.cancel()
                return
            may_begin = partial(self._leave, exchange)
        if era is not self._modern:
            await self._wait_for_room()
            # Not behind other notifications: it is in a hurry.
            self._post(message, body, era, may_begin)

    async def _leave(self, exchange: RequestExchange) -> None:
        """Close the connection of a request, once it cannot be overtaken any more."""
        await exchange.until_heard()
        exchange.cancel()

    async def _wait_for_room(self) -> None:
        await self._room.acquire()
        try:
            self._check_is_open()
        except TransportClosed:
            self._room.release()
            raise

    def _post(
        self,
        message: Message,
        body: bytes,
        era: Era,
        may_begin: Wait = _at_once,
        passed: anyio.Event | None = None,
    ) -> None:
        """Begin to post a message that has no answer, for which there is room.

        Args:
            message: A notification, or an answer.
            body: The same as bytes.
            era: Whose rules hold.
            may_begin: Awaited before it goes out.
            passed: Set once it is accepted, or is not.
        """

        def note_accepted() -> None:
            if passed is not None:
                passed.set()
            is_initialized = (
                isinstance(message, JSONRPCNotification)
                and message.method == _INITIALIZED
            )
            if is_initialized and self._listens and era is self._session:
                self._listen()

        async def post() -> None:
            try:
                await may_begin()
                # If it is lost, that was told already.
                if not era.is_lost:
                    await post_one_way(
                        self._endpoint, era, message, body, note_accepted
                    )
            finally:
                self._room.release()
                if passed is not None:
                    passed.set()
                self._note_loss()

        self._spawn(post)

    def _listen(self) -> None:
        self._stop_listening()
        self._listening = Listening(self._endpoint, self._session)
        self._order.stream = self._listening.has_begun
        self._spawn(self._listening.run)


class _Order:
    """Lets no message of a session pass the notifications that were sent before it.

    Args:
        patience: Seconds that a notification may hold up others; the first one,
            `notifications/initialized`, holds them up until it is accepted or fails.

    Attributes:
        stream: Set once the server can ask something on the standalone stream, without
            which many servers drop what they ask; None if no task waits for that.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._initialized: anyio.Event | None = None
        self._last: anyio.Event | None = None
        self.stream: anyio.Event | None = None

    def add(self, notification: JSONRPCNotification) -> anyio.Event:
        """Put a notification before all that follow; what is given is to be set."""
        passed = anyio.Event()
        if notification.method == _INITIALIZED:
            self._initialized = passed
        else:
            self._last = passed
        return passed

    def make_wait(self) -> Wait:
        """Give what to await before a message that is sent now may go out."""
        initialized, last = self._initialized, self._last

        async def wait() -> None:
            if initialized is not None:
                await initialized.wait()
            await self._wait_for_stream()
            if last is not None:
                with anyio.move_on_after(self._patience):
                    await last.wait()

        return wait

    async def _wait_for_stream(self) -> None:
        if self.stream is not None:
            with anyio.move_on_after(_STREAM_SECONDS):
                await self.stream.wait()
            self.stream = None
