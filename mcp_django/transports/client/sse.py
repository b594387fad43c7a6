"""HTTP+SSE: the client's half. Events in on one stream, messages out by POST.

Spec: 2024-11-05 basic/transports, "HTTP with SSE".
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import anyio
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    MCPError,
    MessageLost,
    OAuthError,
    SessionLost,
    TransportClosed,
    TransportError,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.client.http import (
    DEFAULT_RETRY_SECONDS,
    JSON_TYPE,
    LONGEST_RETRY_SECONDS,
    EventReader,
    read_refusal,
    read_rest,
)
from mcp_django.transports.client.http_failures import refusal_of
from mcp_django.transports.client.http_library import httpx2
from mcp_django.transports.client.http_transport import (
    MAX_MESSAGE_BYTES,
    HTTPClientTransport,
)
from mcp_django.transports.client.sse_stream import SSEStream

MAX_WAITING = 16
"""Messages that wait to be posted; `send` waits beyond."""


@dataclass(frozen=True, slots=True)
class _Posting:
    """A message on its way.

    Attributes:
        stream: Of the session that it was sent in; None for the next session.
    """

    message: Message
    body: bytes
    stream: SSEStream | None

    @property
    def request_id(self) -> str | int | None:
        """Id of the request that it is, if it is one."""
        return self.message.id if isinstance(self.message, JSONRPCRequest) else None


_Postings: TypeAlias = tuple[
    MemoryObjectSendStream[_Posting], MemoryObjectReceiveStream[_Posting]
]


class SSEClientTransport(HTTPClientTransport):
    """The client's half: reads a stream of events, and posts where that says.

    Messages are posted in order: the next one goes once the server has taken the one
    before, or has not said so for `connect_timeout`.

    The end of the stream is the end of its session. With `reconnects` the transport
    then reports `SessionLost` and opens another stream::

        OPEN --stream ends--> WAITING --retry is over--> CONNECTING --endpoint--> OPEN
                                 +------------ fails -------+

    Messages that are sent meanwhile wait for the new session, which has to be
    initialized like the first one. After `reconnects` attempts in a row that failed it
    closes.

    Args:
        url: Of the stream.
        headers: For every HTTP request.
        auth: For every HTTP request.
        http: A client of the caller, which stays open.
        verify: TLS settings, such as a CA of your own; those of the system if left out.
        connect_timeout: Seconds to wait for a connection, and for the endpoint.
        read_timeout: Seconds of silence after which a connection counts as broken.
        max_message_bytes: Longest message to take; a longer one closes the transport.
        reconnects: Attempts to open another stream; 0 to close with the first one.

    Raises:
        ValueError: A header cannot be written, `reconnects` is negative, or `verify`
            comes with `http`.
    """

    binding = "sse"

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
        reconnects: int = 0,
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
        if reconnects < 0:
            raise ValueError(f"reconnects must be 0 or more, not {reconnects!r}")
        self._reconnects = reconnects
        self._reader = EventReader(max_message_bytes)
        self._stream: SSEStream | None = None
        self._is_connected = anyio.Event()
        self._postings: _Postings | None = None

    async def send(self, message: Message) -> None:
        """Put a message behind those to be posted; waits while there are too many.

        Raises:
            TransportClosed: The transport is closed, now or while it waited.
            ValueError: The message cannot be written as JSON.
        """
        body = jsonrpc.serialize(message)
        self._check_is_open()
        assert self._postings is not None
        try:
            await self._postings[0].send(_Posting(message, body, self._stream))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise TransportClosed("cannot send: the transport is closed") from None

    async def _open(self) -> None:
        assert self._tasks is not None
        self._stream = await self._connect()
        self._is_connected.set()
        self._postings = anyio.create_memory_object_stream[_Posting](MAX_WAITING)
        self._tasks.start_soon(self._post_all, self._postings[1])
        self._tasks.start_soon(self._watch, self._stream)

    async def _say_goodbye(self) -> None:
        # The server has seen it in the end of the stream; a task that waits in `send`
        # learns it here.
        for stream in self._postings or ():
            stream.close()

    # The stream -----------------------------------------------------------------

    async def _connect(self) -> SSEStream:
        """Open a stream, and wait until the server has said where to post.

        Raises:
            ConnectFailed: It did not, or names what must not be used.
            HTTPRefused: It does not let us.
        """
        assert self._tasks is not None
        stream = SSEStream(self._http, self._url, self._reader, self)
        seconds = self._timeouts.connect
        try:
            with anyio.fail_after(seconds) as scope:
                self._deadlines.add(scope)
                await self._tasks.start(self._read, stream)
        except TimeoutError:
            raise ConnectFailed(
                f"{self._place} named no endpoint within {seconds:g} s; is it the "
                "stream of a server with the HTTP+SSE transport?"
            ) from None
        except (HTTPRefused, OAuthError):
            raise
        except MCPError as error:
            raise ConnectFailed(str(error)) from error
        except Exception as error:
            # An `auth` object of the caller, for example, may raise anything.
            raise ConnectFailed(
                f"the request to {self._place} failed with {type(error).__name__}"
            ) from error
        finally:
            self._deadlines.clear()
        return stream

    async def _read(self, stream: SSEStream, *, task_status: TaskStatus[None]) -> None:
        """Read a stream until it ends; has started once the endpoint is known."""
        with self._own_task():
            await stream.read(on_endpoint=task_status.started)

    async def _watch(self, stream: SSEStream) -> None:
        """Open another stream whenever one has ended, as long as that works.

        Args:
            stream: The first one.
        """
        next_one: SSEStream | None = stream
        while next_one is not None:
            stream, next_one = next_one, None
            await stream.has_ended.wait()
            self._forget(stream)
            # After a message that is too long, another stream would be no better.
            goes_on = self._reconnects and not isinstance(stream.failure, MessageLost)
            if stream.failure is not None:
                lost = SessionLost(f"{stream.failure}, and with it the session")
                self.on_error(lost if goes_on else stream.failure)
            if goes_on and (next_one := await self._reconnect()) is not None:
                self._stream = next_one
                self._is_connected.set()
        self._shut()

    def _forget(self, stream: SSEStream) -> None:
        """Let what is sent from now on wait for the next stream."""
        if self._stream is stream:
            self._stream = None
            self._is_connected = anyio.Event()

    async def _reconnect(self) -> SSEStream | None:
        """Open another stream; None if all attempts failed."""
        pause = DEFAULT_RETRY_SECONDS
        failure: TransportError | OAuthError | None = None
        for _ in range(self._reconnects):
            wanted = self._reader.retry_seconds
            await anyio.sleep(pause if wanted is None else wanted)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
            try:
                return await self._connect()
            except (ConnectFailed, HTTPRefused, OAuthError) as error:
                failure = error
        self.on_error(
            TransportClosed(f"given up after {self._reconnects} attempts: {failure}")
        )
        return None

    # What is posted -------------------------------------------------------------

    async def _post_all(self, postings: MemoryObjectReceiveStream[_Posting]) -> None:
        """Post what is sent, in order."""
        async for posting in postings:
            while (stream := self._stream) is None:
                await self._is_connected.wait()
            if posting.stream not in (None, stream):
                self._drop(posting)
                continue
            taken = anyio.Event()
            self._spawn(
                partial(self._post, posting, stream, taken),
                request_id=posting.request_id,
            )
            # A server that is slow to say that it has taken one message, or waits for
            # the next to do so, gets that all the same.
            with anyio.move_on_after(self._timeouts.connect):
                await taken.wait()

    async def _post(
        self, posting: _Posting, stream: SSEStream, taken: anyio.Event
    ) -> None:
        """Post a message to the session of a stream.

        Raises:
            RequestFailed: The server did not take it.
        """
        try:
            assert stream.endpoint is not None
            async with self._http.exchange(
                "POST",
                stream.endpoint,
                headers={"content-type": JSON_TYPE},
                body=posting.body,
            ) as response:
                if response.is_success:
                    taken.set()
                    await read_rest(response)
                    return
                body = await read_refusal(response)
            if response.status_code == 404:
                was_known = self._stream is not stream
                self._forget(stream)
                stream.scope.cancel()
                # A loss is told once, and for each request.
                if was_known and posting.request_id is None:
                    return
                raise self._lost()
            raise refusal_of(response, body)
        finally:
            taken.set()

    def _drop(self, posting: _Posting) -> None:
        """Give up a message that was sent in a session that has ended since."""
        if posting.request_id is not None:
            failure = self._lost()
            failure.request_id = posting.request_id
            self.on_error(failure)

    def _lost(self) -> SessionLost:
        return SessionLost(f"{self._place} knows the session no more")
