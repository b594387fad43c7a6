"""Subscriptions of a client, as each era has them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup
from mcp_types import SubscriptionFilter
from mcp_types.jsonrpc import RequestId

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.changes import Changes, offered_of
from mcp_django.client.connection import Connection, Patience
from mcp_django.client.reconnecting import ReconnectingConnection, result_of
from mcp_django.exceptions import ErrorReceived, MCPError, RequestTimeout
from mcp_django.protocol.client import ClientProtocol, State, subscription_of
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.methods import LISTEN
from mcp_django.protocol.uris import normalize

logger = FaultLog("mcp_django.client")

_FOREVER: Final = Patience(math.inf, math.inf)
_GOODBYE: Final = Patience(5.0, 5.0)


class Subscriptions:
    """What a client listens to.

    In the modern era each subscription is a request, whose answer is what is heard. In
    the legacy era a session subscribes to resources, and hears of lists in any case.

    Args:
        connection: Where the server is.
        protocol: Of that connection.
        patience: How long to wait until a subscription has begun.
    """

    def __init__(
        self,
        connection: ReconnectingConnection,
        protocol: ClientProtocol,
        *,
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._protocol = protocol
        self._patience = patience
        self._modern: dict[RequestId, Changes] = {}
        self._legacy: dict[Changes, None] = {}
        # How many listen to each resource in a session, and how it was written first.
        self._listeners: Counter[str] = Counter()
        self._written: dict[str, str] = {}
        # So that no task subscribes while another one unsubscribes.
        self._subscribing = anyio.Lock()

    def hear(self, method: str, params: JSONObject) -> None:
        """Take a notification for the blocks that wait for it."""
        id = subscription_of(params)
        if id is None:
            for changes in self._legacy:
                changes.hear(method, params)
        elif id in self._modern:
            self._modern[id].hear(method, params)

    async def restore(self, connection: Connection) -> None:
        """Subscribe again, in a new session, to what was subscribed to.

        What changed since the last session is not known, and so told.
        """
        for uri in list(self._written.values()):
            request = self._protocol.send_request("resources/subscribe", {"uri": uri})
            try:
                result_of(await connection.request(request, self._patience))
            except ErrorReceived as error:
                logger.warning(
                    "cannot subscribe to %.200r again, as the server refuses it: %s",
                    uri,
                    error,
                    of=uri,
                )
        for changes in self._legacy:
            changes.hear_all()

    @asynccontextmanager
    async def open(
        self, wanted: SubscriptionFilter, tasks: TaskGroup
    ) -> AsyncIterator[Changes]:
        """Hear of changes to the end of the block.

        Args:
            wanted: What to hear of.
            tasks: Where the answer is waited for that does not come soon.

        Raises:
            ErrorReceived: The server refuses.
            RequestTimeout: It does not answer.
        """
        connection = await self._connection.connected()
        changes = Changes(wanted)
        opened: AbstractAsyncContextManager[None]
        if self._protocol.state is State.LEGACY:
            offered = offered_of(wanted, self._connection.found.capabilities)
            changes.settle(offered)
            uris = offered.resource_subscriptions or ()
            opened = self._subscribe(changes, uris, connection, tasks)
        else:
            opened = self._listen(changes, wanted, connection, tasks)
        async with opened:
            yield changes

    @asynccontextmanager
    async def _listen(
        self,
        changes: Changes,
        wanted: SubscriptionFilter,
        connection: Connection,
        tasks: TaskGroup,
    ) -> AsyncIterator[None]:
        """Listen in the modern era.

        Spec: 2026-07-28 basic/patterns/subscriptions.
        """
        notifications = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
        request = self._protocol.send_request(LISTEN, {"notifications": notifications})
        scope, has_ended = anyio.CancelScope(), anyio.Event()

        async def listen() -> None:
            try:
                with scope:
                    result_of(await connection.request(request, _FOREVER))
                    changes.end()
            except Exception as error:
                changes.end(error)
            finally:
                has_ended.set()

        self._modern[request.id] = changes
        tasks.start_soon(listen)
        try:
            with anyio.move_on_after(self._patience.seconds):
                await changes.is_settled.wait()
            if not changes.is_settled.is_set():
                raise RequestTimeout(
                    f"the server did not acknowledge {LISTEN!r} within "
                    f"{self._patience.seconds:g} seconds"
                )
            changes.raise_if_refused()
            yield
        finally:
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await has_ended.wait()
            del self._modern[request.id]

    @asynccontextmanager
    async def _subscribe(
        self,
        changes: Changes,
        uris: Sequence[str],
        connection: Connection,
        tasks: TaskGroup,
    ) -> AsyncIterator[None]:
        """Listen in a session; others may listen to the same resources.

        Spec: 2025-11-25 server/resources, "Subscriptions".
        """
        self._legacy[changes] = None
        subscribed: list[str] = []
        scope = anyio.CancelScope()
        tasks.start_soon(self._keep_session, changes, connection, scope)
        try:
            for uri in uris:
                async with self._subscribing:
                    key = normalize(uri)
                    if not self._listeners[key]:
                        params = {"uri": uri}
                        await self._connection.request(
                            "resources/subscribe", params, self._patience
                        )
                        self._written[key] = uri
                    self._listeners[key] += 1
                    subscribed.append(uri)
            yield
        finally:
            scope.cancel()
            del self._legacy[changes]
            with anyio.move_on_after(_GOODBYE.seconds, shield=True):
                for uri in subscribed:
                    await self._unsubscribe(uri)

    async def _keep_session(
        self, changes: Changes, connection: Connection, scope: anyio.CancelScope
    ) -> None:
        """Open a new session if that is lost, so that blocks that only listen hear."""
        with scope:
            try:
                error = await connection.until_lost()
                while not connection.is_closed:
                    connection = await self._connection.connected()
                    error = await connection.until_lost()
            except Exception as failure:
                error = failure
            changes.end(error)

    async def _unsubscribe(self, uri: str) -> None:
        async with self._subscribing:
            key = normalize(uri)
            self._listeners[key] -= 1
            if self._listeners[key]:
                return
            del self._listeners[key]
            uri = self._written.pop(key)
            connection = self._connection.current
            if connection is None:
                return  # and with it the subscription
            request = self._protocol.send_request("resources/unsubscribe", {"uri": uri})
            try:
                result_of(await connection.request(request, _GOODBYE))
            except MCPError as error:
                logger.info("the server was not told to stop watching: %s", error)
