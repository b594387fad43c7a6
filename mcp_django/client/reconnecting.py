"""A connection that is opened anew when it is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import JSONRPCError, JSONRPCRequest, JSONRPCResponse

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.client.answers import Answers
from mcp_django.client.clock import Clock, Clocks
from mcp_django.client.connecting import Way, is_other_kind
from mcp_django.client.connection import (
    Connection,
    OnNotified,
    OnProgress,
    Patience,
)
from mcp_django.client.handshake import (
    EndedByProbe,
    Found,
    error_of,
    shake_hands,
)
from mcp_django.exceptions import (
    ConnectFailed,
    LocalProtocolError,
    MCPError,
    RequestFailed,
    RequestTimeout,
    SessionLost,
    TransportClosed,
)
from mcp_django.protocol import versions
from mcp_django.protocol.client import ClientProtocol
from mcp_django.protocol.jsonrpc import JSONObject

logger = FaultLog("mcp_django.client")

_CLOSE_SECONDS = 5.0
_NOT_OPEN = "the client is not connected; use it within `async with` or `with`"


class ReconnectingConnection:
    """Reaches one server, over one connection after the other.

    ::

        NEW --open()--> OPEN --close()--> CLOSED
                        OPEN: lost, and opened anew by the next request

    A request that was under way when the connection was lost fails, for it may have
    been carried out. One that the server refused because it did not know the session
    is sent again in a new one.

    Args:
        ways: To try, in this order.
        protocol: Decides what is sent.
        answers: Answers what the server asks.
        wanted: Version to speak; None to find out.
        patience: How long to wait for answers while opening.
        probe_seconds: How long to wait for those that old servers may never give.
        on_notified: As for `Connection`.
        on_opened: Awaited with each new connection, once its version is known.
        prefers_legacy: Whether a server of both eras is to be spoken to in the older.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        protocol: ClientProtocol,
        answers: Answers,
        *,
        wanted: str | None,
        patience: Patience,
        probe_seconds: float,
        on_notified: OnNotified,
        on_opened: Callable[[Connection], Awaitable[None]],
        prefers_legacy: bool = False,
    ) -> None:
        self._ways = ways
        self._protocol = protocol
        self._answers = answers
        self._wanted = wanted
        self._prefers_legacy = prefers_legacy
        # How it worked the last time; None to find out.
        self._known: tuple[Way, str] | None = None
        self._patience = patience
        self._probe_seconds = probe_seconds
        self._on_notified = on_notified
        self._on_opened = on_opened
        self._opening = anyio.Lock()
        self._clocks = Clocks()
        self._tasks: TaskGroup | None = None
        self._connection: Connection | None = None
        self._found: Found | None = None

    @property
    def found(self) -> Found:
        """What the server said of itself.

        Raises:
            LocalProtocolError: It was not asked yet.
        """
        if self._found is None:
            raise LocalProtocolError(_NOT_OPEN)
        return self._found

    @property
    def current(self) -> Connection | None:
        """The connection as it is; None while it has to be opened, or opened anew."""
        connection = self._connection
        if connection is None or connection.is_closed or connection.is_lost:
            return None
        return connection

    async def open(self, tasks: TaskGroup) -> None:
        """Connect, and find out what the server speaks.

        Args:
            tasks: Where the connections run.

        Raises:
            ConnectFailed, ErrorReceived, RemoteProtocolError, RequestTimeout,
            TransportError: It did not work out; everything is closed.
        """
        self._tasks = tasks
        await self.connected()

    async def close(self) -> None:
        """Close the connection; more calls do nothing."""
        self._tasks = None
        if self._connection is not None:
            await _close(self._connection)

    async def connected(self) -> Connection:
        """Give the connection, opened anew if it was lost.

        Raises:
            LocalProtocolError: `open` was not called yet.
            TransportClosed: It ended, and there is no way to open it again.
        """
        if self.current is not None:
            return self.current
        if self._tasks is None and self._connection is None:
            raise LocalProtocolError(_NOT_OPEN)
        async with self._opening:
            connection = self._connection
            if connection is None or connection.is_closed:
                return await self._open_first_that_works()
            if connection.is_lost:
                await self._renew(connection)
            return connection

    async def request(
        self,
        method: str,
        params: JSONObject | None,
        patience: Patience,
        *,
        on_progress: OnProgress | None = None,
        client_meta: JSONObject | None = None,
    ) -> JSONObject:
        """Send a request and give its result.

        Args:
            method: Such as "tools/call".
            params: As for `ClientProtocol.send_request`.
            patience: How long to wait.
            on_progress: As for `Connection`.
            client_meta: As for `ClientProtocol.send_request`.

        Raises:
            ErrorReceived: The server answered with an error.
            RequestTimeout, TransportError, RemoteProtocolError: It did not answer.
        """

        def make() -> JSONRPCRequest:
            return self._protocol.send_request(
                method,
                params,
                wants_progress=on_progress is not None,
                client_meta=client_meta,
            )

        connection = await self.connected_within(patience.seconds)
        request = make()
        try:
            answer = await connection.request(
                request, patience, on_progress=on_progress
            )
        except SessionLost as error:
            if error.request_id != request.id:
                raise
            connection = await self.connected_within(patience.seconds)
            answer = await connection.request(make(), patience, on_progress=on_progress)
        return result_of(answer)

    async def connected_within(self, seconds: float) -> Connection:
        """Give the connection, as `connected` does, if it does not take too long.

        Raises:
            RequestTimeout: It takes longer.
        """
        clock = Clock(seconds, seconds)
        with self._clocks.counted(clock), clock.scope:
            clock.start()
            return await self.connected()
        raise RequestTimeout(
            f"there was no connection with the server again within {seconds:g} seconds"
        )

    async def _renew(self, connection: Connection) -> None:
        """Open another session over the same transport."""
        try:
            await self._shake_hands(connection, self.found.version)
        except BaseException:
            # An `initialize` without an answer may still arrive, and no other must
            # follow it: the next attempt begins with another transport, if it can.
            if self._known is not None and self._known[0].can_repeat:
                await _close(connection)
            raise

    async def _open_first_that_works(self) -> Connection:
        failure: MCPError | None = None
        # Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
        # Initialization-Based Versions": what was found out holds until it fails.
        known, self._known = self._known, None
        for way, version in self._ways_to_try() if known is None else [known]:
            try:
                connection = await self._open_either(way, version)
            except MCPError as error:
                # Of several ways, that one says most which was not simply unknown.
                if failure is None or not is_other_kind(error):
                    error.__cause__ = error.__cause__ or failure
                    failure = error
                if not is_other_kind(error):
                    break
            else:
                self._known = (way, self.found.version)
                return connection
        assert failure is not None
        if type(failure) is RequestFailed:
            raise ConnectFailed(str(failure)) from failure
        raise failure

    def _ways_to_try(self) -> Iterator[tuple[Way, str | None]]:
        """Give the ways, and the version to begin with on each of them."""
        for way in self._ways:
            if way.is_modern:
                yield way, self._wanted
            elif self._wanted not in versions.MODERN:
                yield way, self._wanted or versions.LATEST_LEGACY

    async def _open_either(self, way: Way, version: str | None) -> Connection:
        """Connect, once more if the server has ended for being asked what it speaks.

        Spec: 2026-07-28 basic/transports/stdio, "Backward Compatibility".
        """
        try:
            return await self._open(way, version)
        except EndedByProbe as error:
            if not way.can_repeat:
                raise TransportClosed(
                    f"{error}; if it is a server that ends when it is asked what it "
                    "speaks, pass what makes a transport, or the version that it "
                    "speaks, such as version='2024-11-05'"
                ) from error.__cause__
            logger.info("asked anew, in the other era: %s", error)
            other = versions.MODERN if self._prefers_legacy else versions.LEGACY
            return await self._open(way, other[0])

    async def _open(self, way: Way, version: str | None) -> Connection:
        if self._tasks is None:
            raise TransportClosed("the client is closed")
        if self._connection is not None and not way.can_repeat:
            raise TransportClosed(
                "the connection with the server has ended, and a transport cannot be "
                "started twice; give the client what makes one"
            )
        connection = Connection(
            way.make(),
            self._protocol,
            self._answers,
            self._tasks,
            on_notified=self._on_notified,
            clocks=self._clocks,
        )
        # Already now, so that `close` ends also what is being opened.
        self._connection = connection
        try:
            await connection.open()
            await self._shake_hands(connection, version)
        except BaseException:
            await _close(connection)
            raise
        return connection

    async def _shake_hands(self, connection: Connection, version: str | None) -> None:
        self._protocol.forget()
        found = await shake_hands(
            connection,
            wanted=version,
            patience=self._patience,
            probe_seconds=self._probe_seconds,
            prefers_legacy=self._prefers_legacy,
        )
        if self._wanted is not None and found.version != self._wanted:
            raise ConnectFailed(
                f"the server speaks {found.version!r}, and not {self._wanted!r}, the "
                "one version that is to be spoken"
            )
        self._found = found
        await self._on_opened(connection)
        # Last, so that others wait until then, and try again if it failed.
        connection.renew()


async def _close(connection: Connection) -> None:
    with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
        try:
            await connection.close()
        except BaseException as error:
            if ends_task(error):
                raise
            # Such as that of a custom transport; there is more to be closed.
            logger.exception(
                "the connection with the server was not closed well; see the error"
            )


def result_of(answer: JSONRPCResponse | JSONRPCError) -> JSONObject:
    """Give the result that a server answered with.

    Raises:
        ErrorReceived: It is an error.
    """
    if isinstance(answer, JSONRPCError):
        raise error_of(answer)
    return answer.result
