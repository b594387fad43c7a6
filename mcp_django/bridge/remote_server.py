"""The server at the far end of a bridge: found and opened when it is first needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup
from mcp_types import ClientCapabilities, SubscriptionFilter
from mcp_types.jsonrpc import HEADER_MISMATCH

from mcp_django.bridge.results import capabilities_of
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.answers import Answers
from mcp_django.client.changes import Changes
from mcp_django.client.connecting import Way
from mcp_django.client.connection import Connection, OnNotified, OnProgress, Patience
from mcp_django.client.handshake import Found
from mcp_django.client.reconnecting import ReconnectingConnection, result_of
from mcp_django.client.subscriptions import Subscriptions
from mcp_django.exceptions import (
    ConnectFailed,
    ErrorReceived,
    MCPError,
    TransportError,
)
from mcp_django.protocol import log_levels, versions
from mcp_django.protocol.client import ClientProtocol, State
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.protocol.log_levels import LOG_LEVELS
from mcp_django.protocol.uris import UriSet

logger = FaultLog("mcp_django.client")

FOREVER: Final = Patience(math.inf, math.inf)
"""The client at the other end of the bridge decides how long it waits."""

_OPENING: Final = Patience(30.0, 30.0)
_PROBE_SECONDS: Final = 5.0
_MAX_PAGES: Final = 100


@dataclass(eq=False)
class _Attempt:
    """An attempt to connect, for which several requests may wait."""

    has_ended: anyio.Event = field(default_factory=anyio.Event)
    error: Exception | None = None


class RemoteServer:
    """Reaches a server on behalf of the client at the other end of a bridge.

    ::

        NEW --connect()--> OPEN --close()--> CLOSED
                           OPEN: lost, and opened anew by the next request

    Args:
        ways: To try, in this order.
        tasks: Where the connections run.
        answers: Answers what the server asks.
        version: Version to speak; None to find out.
        on_notified: As for `Connection`.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        tasks: TaskGroup,
        answers: Answers,
        *,
        version: str | None,
        on_notified: OnNotified,
    ) -> None:
        self._ways = ways
        self._tasks = tasks
        self._answers = answers
        self._version = version
        self._on_notified = on_notified
        self._attempt: _Attempt | None = None
        self._connection: ReconnectingConnection | None = None
        self._protocol: ClientProtocol | None = None
        self._subscriptions: Subscriptions | None = None
        self._log_level: str | None = None
        # Resources that the client's session subscribed to.
        self._uris = UriSet()

    @property
    def is_open(self) -> bool:
        """Whether it is known what the server is."""
        return self._connection is not None

    @property
    def is_legacy(self) -> bool:
        """Whether the server is of the legacy era, as far as that is known."""
        # Not the state of the protocol, which forgets it while it opens anew.
        return self._connection is not None and self.found.version in versions.LEGACY

    @property
    def found(self) -> Found:
        """What the server said of itself."""
        assert self._connection is not None  # `connect` came before
        return self._connection.found

    async def connect(self, peer: Peer) -> None:
        """Connect and find out what the server speaks, unless that is known.

        All requests that wait for an attempt learn how it ends; the next one makes
        another.

        Args:
            peer: The client, whose name and capabilities the server is told, and
                whose era is spoken if the server has it.

        Raises:
            ConnectFailed: The server cannot be reached, or refuses; says why.
        """
        if self._connection is not None:
            return
        if self._attempt is None:
            self._attempt = _Attempt()
            self._tasks.start_soon(self._try_to_connect, peer, self._attempt)
        attempt = self._attempt
        await attempt.has_ended.wait()
        if attempt.error is not None:
            raise ConnectFailed(
                f"cannot use the remote server: {attempt.error}"
            ) from attempt.error

    async def connect_anew(self, peer: Peer) -> None:
        """Connect as another client, with a session in which nothing is set yet.

        Raises:
            ConnectFailed: As for `connect`.
        """
        await self.close()
        self._connection = None
        self._uris.clear()
        self._log_level = None
        await self.connect(peer)

    async def request(
        self,
        method: str,
        params: JSONObject,
        *,
        client_meta: JSONObject,
        on_progress: OnProgress | None = None,
    ) -> JSONObject:
        """Send a request and give its result, however long it takes.

        Args:
            method: Such as "tools/call".
            params: As on the wire, without what is said of the client.
            client_meta: What is said of the client, where each request says it.
            on_progress: As for `Connection`.

        Raises:
            ErrorReceived: The server answered with an error.
            TransportError: Its answer cannot come.
        """

        async def send(method: str, params: JSONObject) -> JSONObject:
            assert self._connection is not None  # `connect` came before
            return await self._connection.request(
                method,
                params,
                FOREVER,
                on_progress=on_progress,
                client_meta=client_meta,
            )

        try:
            return await send(method, params)
        except ErrorReceived as error:
            if error.code != HEADER_MISMATCH or method != "tools/call":
                raise
        # Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior": the
        # tool's parameters have to be known, and the transport learns them so.
        cursor: JSON = None
        for _ in range(_MAX_PAGES):
            page = await send(
                "tools/list", {} if cursor is None else {"cursor": cursor}
            )
            if (cursor := page.get("nextCursor")) is None:
                break
        return await send(method, params)

    async def notify(self, message: Message) -> None:
        """Send a notification to a server that is connected; others have forgotten."""
        assert self._connection is not None
        try:
            connection = await self._connection.connected()
            await connection.send(message)
        except MCPError as error:
            logger.info("the server was not notified: %s", error)

    def listen(
        self, wanted: SubscriptionFilter
    ) -> AbstractAsyncContextManager[Changes]:
        """Hear of changes to the end of the block; see `Subscriptions.open`."""
        assert self._subscriptions is not None
        return self._subscriptions.open(wanted, self._tasks)

    async def subscribe(self, uri: str) -> None:
        """Subscribe to a resource of a legacy server, in sessions that follow too.

        Raises:
            ErrorReceived, TransportError: As for `request`.
        """
        await self.request("resources/subscribe", {"uri": uri}, client_meta={})
        self._uris.add(uri)

    async def unsubscribe(self, uri: str) -> None:
        """Subscribe to it no more.

        Raises:
            ErrorReceived, TransportError: As for `request`.
        """
        # As it was subscribed to: not every server knows the other ways to write it.
        for written in self._uris.remove(uri) or [uri]:
            params: JSONObject = {"uri": written}
            await self.request("resources/unsubscribe", params, client_meta={})

    async def set_log_level(self, level: str) -> None:
        """Choose what a legacy server logs from now on.

        Raises:
            ErrorReceived, TransportError: As for `request`.
        """
        await self.request("logging/setLevel", {"level": level}, client_meta={})
        self._log_level = level

    async def lower_log_level(self, level: str) -> None:
        """Let a legacy server log at least this, if it logs at all.

        Others filter what is too much for them.
        """
        if self.found.capabilities.logging is None:
            return
        if self._log_level is None or is_severe(self._log_level, level):
            try:
                await self.set_log_level(level)
            except ErrorReceived as error:
                logger.info("the server did not set its log level: %s", error)

    async def close(self) -> None:
        """Close the connection; more calls do nothing."""
        if self._connection is not None:
            await self._connection.close()

    async def _try_to_connect(self, peer: Peer, attempt: _Attempt) -> None:
        capabilities = ClientCapabilities.model_validate(capabilities_of(peer))
        self._protocol = ClientProtocol(peer.client_info, capabilities)
        connection = ReconnectingConnection(
            self._ways,
            self._protocol,
            self._answers,
            wanted=self._version,
            patience=_OPENING,
            probe_seconds=_PROBE_SECONDS,
            on_notified=self._hear,
            on_opened=self._restore,
            # Some servers can ask in the one era only that the client can be asked in.
            prefers_legacy=peer.version in versions.LEGACY,
        )
        self._subscriptions = Subscriptions(
            connection, self._protocol, patience=_OPENING
        )
        try:
            await connection.open(self._tasks)
        except MCPError as error:
            logger.warning(
                "cannot use the remote server; the next request tries again: %s", error
            )
            attempt.error = error
        except Exception as error:
            logger.exception("connecting with the remote server failed; see the error")
            attempt.error = TransportError(
                f"{type(error).__name__} while connecting; the log has more"
            )
            attempt.error.__cause__ = error
        else:
            self._connection = connection
        finally:
            self._attempt = None
            attempt.has_ended.set()

    def _hear(self, method: str, params: JSONObject) -> None:
        if self._subscriptions is not None:
            self._subscriptions.hear(method, params)
        self._on_notified(method, params)

    async def _restore(self, connection: Connection) -> None:
        """Set, in a new session, what was set in the last one."""
        assert self._protocol is not None
        assert self._subscriptions is not None
        if self._protocol.state is not State.LEGACY:
            return
        restored: list[tuple[str, JSONObject]] = [
            ("resources/subscribe", {"uri": uri}) for uri in self._uris
        ]
        if self._log_level is not None:
            restored.append(("logging/setLevel", {"level": self._log_level}))
        for method, params in restored:
            request = self._protocol.send_request(method, params)
            try:
                result_of(await connection.request(request, _OPENING))
            except ErrorReceived as error:
                logger.warning(
                    "%s is not restored; the client has to ask for it again: %s",
                    method,
                    error,
                    of=method,
                )
        await self._subscriptions.restore(connection)


def is_severe(level: JSON, least: str) -> bool:
    """Say whether a log message is at least as severe as a client wants.

    What is no level at all is passed on, so that nothing is hidden.
    """
    return level not in LOG_LEVELS or log_levels.is_severe(level, least)
