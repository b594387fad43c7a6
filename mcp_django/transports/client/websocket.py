"""WebSocket, the client's half: one JSON-RPC message for each text frame, both ways.

The frames are read and written by the library `websockets` (extra `client`), of which
only the part without I/O is used. Nothing is compressed, and no proxy is used.

Spec: 2025-11-25 basic/transports, "Custom Transports"; RFC 6455.
"""

from __future__ import annotations

import contextlib
import math
import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import anyio
from anyio.abc import ByteStream, TaskGroup

from mcp_django.exceptions import MessageLost, RemoteProtocolError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import NO_HEADERS, Sender, Transport
from mcp_django.transports.client.websocket_handshake import (
    LOST,
    connect,
    describe,
    parse_endpoint,
)
from mcp_django.transports.client.websocket_library import (
    ClientProtocol,
    CloseCode,
    Frame,
    Opcode,
    PayloadTooBig,
    State,
    Subprotocol,
)
from mcp_django.transports.lines import CHUNK_BYTES
from mcp_django.transports.websocket import SUBPROTOCOL

_CLOSE_SECONDS = 1.0

_MAX_UNREAD_BYTES: Final = 64 * 1024
"""Pongs that the server has yet to read before it is not read from any more."""

_WELL_ENDED = (
    CloseCode.NORMAL_CLOSURE,
    CloseCode.GOING_AWAY,
    CloseCode.NO_STATUS_RCVD,
)


class WebSocketClientTransport(Transport):
    """The client's half: connects to a server, and pings it while it is silent.

    ::

        NEW --start()--> OPEN --close(), or the server closes or is gone--> CLOSED

    While `on_message` waits, nothing is read, so that the server has to wait too. A
    message whose sender is cancelled may be sent all the same.

    Args:
        url: Begins with ws:// or wss://; a user and password in it are sent as
            `Authorization`.
        headers: Added to the handshake, such as `Authorization`. No `Origin` is sent
            unless it is among them.
        ssl_context: For wss://; None trusts what Python trusts.
        connect_timeout: Seconds until there has to be a connection.
        max_received_bytes: Largest message to take; a larger one ends the connection.
        ping_seconds: A server silent for so long is pinged, and given up if it is
            silent for as long again; `math.inf` to wait forever.

    Raises:
        ValueError: The URL is no WebSocket's, a header cannot be sent, or
            `ping_seconds` is no time.
    """

    binding = "websocket"

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 10.0,
        max_received_bytes: int = 16 * 1024 * 1024,
        ping_seconds: float = 20.0,
    ) -> None:
        super().__init__()
        if not ping_seconds > 0:
            raise ValueError(f"ping_seconds must be more than 0, not {ping_seconds!r}")
        self.answers_faults = False
        self._url = url
        self._endpoint = parse_endpoint(
            url, headers=headers or NO_HEADERS, ssl_context=ssl_context
        )
        self._connect_timeout = connect_timeout
        self._max_received_bytes = max_received_bytes
        self._ping_seconds = ping_seconds
        self._protocol = ClientProtocol(
            self._endpoint.uri,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=max_received_bytes,
        )
        self._turn = anyio.Lock()
        self._working: anyio.CancelScope | None = None
        self._connection: _Connection | None = None
        self._waiting_since = math.inf
        self._text = bytearray()
        self._fault: Exception | None = None
        self._why = "the WebSocket is not open"
        self._is_closed = False

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._url

    async def start(self, tasks: TaskGroup) -> None:
        """Connect to the server.

        Raises:
            ConnectFailed: There is no connection.
            HTTPRefused: The server wants other credentials, or none of us.
        """
        deadline = anyio.current_time() + self._connect_timeout
        with anyio.CancelScope(deadline=deadline) as self._working:
            if not self._is_closed:
                stream = await connect(self._endpoint, self._protocol)
                self._connection = _Connection(stream)
        if self._connection is None:
            raise self._endpoint.failure(
                "the transport is closed"
                if self._is_closed
                else f"no answer within {self._connect_timeout:g} seconds; does a "
                "WebSocket server listen there?"
            )
        self._why = "the server has closed the connection"
        self._working = anyio.CancelScope()
        tasks.start_soon(self._run, self._connection, self._working)

    async def send(self, message: Message) -> None:
        """Send one message as a text frame; waits while the server does not read.

        Raises:
            TransportClosed: The connection is closed, now or while it waited.
            ValueError: The message cannot be written as JSON.
        """
        data = jsonrpc.serialize(message)
        if self._connection is not None:
            async with self._turn:
                if await self._send_text(self._connection, data):
                    return
        raise TransportClosed(f"cannot send: {self._why}")

    async def close(self) -> None:
        """Close the connection; waits at most a second for the server to agree."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._working is not None:
            self._working.cancel()
        try:
            if self._connection is not None:
                with anyio.CancelScope(shield=True):
                    await self._leave(self._connection)
        finally:
            self.on_close()

    # Open ---------------------------------------------------------------------------

    async def _run(self, connection: _Connection, working: anyio.CancelScope) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.write)
            tasks.start_soon(self._watch, connection, working)
            try:
                with working:
                    await self._read(connection)
            finally:
                await self.close()
                tasks.cancel_scope.cancel()

    async def _read(self, connection: _Connection) -> None:
        """Deliver what comes, until the connection ends."""
        while not self._is_closed:
            connection.put(self._protocol.data_to_send())
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    await self._take(event)
                if self._is_closed or self._fault is not None:
                    return
            if self._protocol.state is not State.OPEN:
                return
            await self._receive(connection)

    async def _receive(self, connection: _Connection) -> None:
        """Take the next bytes, or the end of them."""
        self._waiting_since = anyio.current_time()
        try:
            if connection.unwritten > _MAX_UNREAD_BYTES:
                await connection.wait()
            data = await connection.receive()
        finally:
            self._waiting_since = math.inf
        # It may have come at the moment in which it was closed.
        if self._is_closed:
            return
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()

    async def _take(self, frame: Frame) -> None:
        """Deliver the message that a frame completes."""
        match frame.opcode:
            case Opcode.BINARY:
                text = "the server sent a binary frame; messages are text"
                self._fail(CloseCode.UNSUPPORTED_DATA, RemoteProtocolError(text))
            case Opcode.TEXT | Opcode.CONT:
                self._text += frame.data
                if not frame.fin:
                    return
                data = bytes(self._text)
                self._text.clear()
                if _is_utf8(data):
                    await self.deliver(data, Sender())
                else:
                    text = "the server sent a text frame that is no UTF-8"
                    self._fail(CloseCode.INVALID_DATA, RemoteProtocolError(text))

    async def _send_text(self, connection: _Connection, data: bytes) -> bool:
        """Send one frame; say whether it was written."""
        await connection.wait()
        if self._is_closed or self._protocol.state is not State.OPEN:
            return False
        self._protocol.send_text(data)
        connection.put(self._protocol.data_to_send())
        return await connection.wait()

    async def _watch(self, connection: _Connection, working: anyio.CancelScope) -> None:
        """Ping a server that is silent, and give up on one that stays so.

        It is silent only while it is listened to.
        """
        while True:
            since = min(self._waiting_since, anyio.current_time())
            await anyio.sleep_until(since + self._ping_seconds)
            if self._is_closed or self._waiting_since != since:
                continue
            self._protocol.send_ping(b"")
            connection.put(self._protocol.data_to_send())
            await anyio.sleep_until(since + 2 * self._ping_seconds)
            if self._is_closed or self._waiting_since != since:
                continue
            text = f"the server answers no ping; silent for {2 * self._ping_seconds:g}s"
            self._fail(CloseCode.INTERNAL_ERROR, TransportClosed(text))
            working.cancel()
            return

    def _fail(self, code: CloseCode, fault: Exception) -> None:
        """End the connection for something the server did."""
        self._fault = fault
        self._protocol.fail(code, str(fault))

    # To close -----------------------------------------------------------------------

    async def _leave(self, connection: _Connection) -> None:
        """Say goodbye, say why, and let go of the connection."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        connection.put(self._protocol.data_to_send())
        # Whatever the server sends from now on changes nothing.
        self._protocol.receive_eof()
        self._why, error = self._explain(connection)
        if error is not None:
            self.on_error(error)
        await connection.close()

    def _explain(self, connection: _Connection) -> tuple[str, Exception | None]:
        """Say why the connection ends, and what of it is worth a report."""
        closed = self._protocol.close_exc
        error = self._fault
        match closed.__cause__:
            case _ if error is not None:
                pass
            case PayloadTooBig():
                limit = f"more than {self._max_received_bytes} bytes"
                error = MessageLost(f"the server sent a message of {limit}")
            case Exception() as cause if not isinstance(cause, EOFError):
                error = RemoteProtocolError(f"the server sent no WebSocket: {cause}")
        if error is not None:
            return str(error), error
        if closed.rcvd is not None:
            code, reason = int(closed.rcvd.code), closed.rcvd.reason
            text = f"the server closed the WebSocket with {code}"
            text += f" ({reason!r})" if reason else ""
            return text, None if code in _WELL_ENDED else TransportClosed(text)
        if closed.sent is not None:
            return f"the WebSocket was closed with {int(closed.sent.code)}", None
        text = "the server went without closing the WebSocket" + connection.loss
        return text, TransportClosed(text)


class _Connection:
    """Reads bytes, and writes them in order in one task.

    A frame cut short would spoil all that follow, so that the end of a task that sends
    one does not interrupt it; only `close` does.

    Args:
        stream: Closed by `close`.

    Attributes:
        loss: What went wrong, if it was more than an end.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.loss = ""
        self._stream = stream
        self._receiving = anyio.Lock()
        self._unwritten: deque[bytes] = deque()
        self._writing = anyio.CancelScope(shield=True)
        self._has_more = anyio.Event()
        self._is_done = anyio.Event()
        self._is_done.set()
        self._is_stopped = False

    @property
    def unwritten(self) -> int:
        """Bytes that wait to be written."""
        return sum(map(len, self._unwritten))

    async def receive(self) -> bytes:
        """Take the next bytes; none at the end."""
        try:
            async with self._receiving:
                return await self._stream.receive(CHUNK_BYTES)
        except anyio.EndOfStream:
            return b""
        except LOST as error:
            self.loss = f": {describe(error)}"
            return b""

    def put(self, chunks: Iterable[bytes]) -> None:
        """Add what is to be written."""
        if self._is_stopped:
            return
        # An empty one stands for the end of what is sent, which `close` brings.
        self._unwritten.extend(chunk for chunk in chunks if chunk)
        if self._unwritten:
            if self._is_done.is_set():
                self._is_done = anyio.Event()
            self._has_more.set()

    async def wait(self) -> bool:
        """Wait until all is written, or nothing more will be; say whether all is."""
        await self._is_done.wait()
        return not self._unwritten

    async def write(self) -> None:
        """Write until closed, or until the server is gone, as its reader sees too."""
        with self._writing, contextlib.suppress(*LOST):
            try:
                while True:
                    while self._unwritten:
                        await self._stream.send(self._unwritten[0])
                        self._unwritten.popleft()
                    self._is_done.set()
                    await self._has_more.wait()
                    self._has_more = anyio.Event()
            finally:
                self._is_stopped = True
                self._is_done.set()

    async def close(self) -> None:
        """Give the peer a second to read what was put and to close; then let go.

        The task that receives has to leave.
        """
        try:
            with anyio.move_on_after(_CLOSE_SECONDS):
                while await self.receive():
                    pass
                await self.wait()
        finally:
            self._writing.cancel()
            await self._stream.aclose()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
