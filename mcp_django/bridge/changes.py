"""Changes that a server tells of, told to a client of either era.

In the modern era a client asks for each kind of change; in the legacy era a session
hears of lists in any case, and subscribes to resources.

Spec: 2026-07-28 basic/patterns/subscriptions; 2025-11-25 server/resources,
"Subscriptions".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup
from mcp_types import SubscriptionFilter, SubscriptionsListenRequestParams
from mcp_types.jsonrpc import INVALID_PARAMS, RequestId
from pydantic import ValidationError

from mcp_django.bridge.remote_server import RemoteServer
from mcp_django.bridge.results import wire
from mcp_django.bridge.send_queue import SendQueue
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.changes import Change, offered_of
from mcp_django.exceptions import ErrorAnswer, MCPError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.protocol.uris import UriSet, normalize

logger = FaultLog("mcp_django.client")

_LONGEST_DELAY: Final = 60.0


async def listen(
    server: RemoteServer, id: RequestId, params: JSONObject, send_queue: SendQueue
) -> JSONObject:
    """Answer `subscriptions/listen`: tell a modern client of changes to the end.

    Args:
        server: Of any era.
        id: Of the request.
        params: Of the request.
        send_queue: Where the client is told.

    Returns:
        The result, once the server ends it.

    Raises:
        ErrorAnswer: The request is malformed.
        ErrorReceived, RequestTimeout, TransportError: The server refuses, or is lost.
    """
    try:
        wanted = SubscriptionsListenRequestParams.model_validate(params).notifications
    except ValidationError as error:
        raise ErrorAnswer(INVALID_PARAMS, describe_faults(error)) from None
    async with server.listen(wanted) as changes:
        subscription = Subscription(id, _in_words_of(wanted, changes.honored))
        await send_queue.send(subscription.acknowledgement)
        async for change in changes:
            for method, params in _told(change, subscription.uris):
                message = subscription.notification(method, params)
                if message is not None:
                    await send_queue.send(message)
    return subscription.result


@dataclass(eq=False)
class _Listening:
    """A subscription at a modern server."""

    wanted: SubscriptionFilter
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    has_begun: anyio.Event = field(default_factory=anyio.Event)
    honored: SubscriptionFilter = field(default_factory=SubscriptionFilter)
    error: MCPError | None = None


class SessionChanges:
    """What a session of the legacy era hears of changes at a modern server.

    There is one subscription for all of it. When what the session wants changes, a new
    one takes its place, without a gap. When it is lost, it is opened again, and the
    session is told that everything may have changed.

    Args:
        server: Of the modern era.
        send_queue: Where the session is told.
        tasks: Where the subscriptions run.
        retry_seconds: How long to wait before a lost one is opened again; twice as
            long each time, up to a minute.
    """

    def __init__(
        self,
        server: RemoteServer,
        send_queue: SendQueue,
        tasks: TaskGroup,
        *,
        retry_seconds: float = 1.0,
    ) -> None:
        self._server = server
        self._send_queue = send_queue
        self._tasks = tasks
        self._retry_seconds = retry_seconds
        self._uris = UriSet()
        self._turn = anyio.Lock()
        self._current: _Listening | None = None

    async def begin(self) -> None:
        """Hear of the lists that the server says it tells of.

        Raises:
            ErrorReceived, RequestTimeout, TransportError: The server refuses.
        """
        async with self._turn:
            await self._listen_anew()

    async def subscribe(self, uri: str) -> None:
        """Hear of a resource too.

        Raises:
            ErrorAnswer: The server does not tell of it.
            ErrorReceived, RequestTimeout, TransportError: The server refuses.
        """
        async with self._turn:
            if uri in self._uris.written(uri):
                return
            self._uris.add(uri)
            is_honored = False
            try:
                honored = await self._listen_anew()
                # Servers may write it in another way.
                agreed = map(normalize, honored.resource_subscriptions or ())
                is_honored = normalize(uri) in agreed
            finally:
                if not is_honored:
                    self._uris.remove(uri)
        if not is_honored:
            raise ErrorAnswer(RESOURCE_NOT_FOUND, "Resource not found", {"uri": uri})

    async def unsubscribe(self, uri: str) -> None:
        """Hear of a resource no more.

        Raises:
            ErrorReceived, RequestTimeout, TransportError: The server refuses.
        """
        async with self._turn:
            if self._uris.remove(uri):
                await self._listen_anew()

    def end(self) -> None:
        """Hear of nothing any more; `begin` may be called again."""
        self._uris.clear()
        self._end(self._current)
        self._current = None

    async def _listen_anew(self) -> SubscriptionFilter:
        """Let another subscription take the place of the current one."""
        lists = offered_of(
            SubscriptionFilter(
                tools_list_changed=True,
                prompts_list_changed=True,
                resources_list_changed=True,
            ),
            self._server.found.capabilities,
        )
        wanted = lists.model_copy(
            update={"resource_subscriptions": list(self._uris) or None}
        )
        if not wire(wanted):
            self._end(self._current)
            self._current = None
            return wanted
        listening = _Listening(wanted)
        self._tasks.start_soon(self._run, listening)
        try:
            await listening.has_begun.wait()
            if listening.error is not None:
                raise listening.error
        except BaseException:
            self._end(listening)
            raise
        self._end(self._current)
        self._current = listening
        return listening.honored

    def _end(self, listening: _Listening | None) -> None:
        if listening is not None:
            listening.scope.cancel()

    async def _run(self, listening: _Listening) -> None:
        """Listen, again and again, until the subscription is no longer wanted."""
        delay = self._retry_seconds
        with listening.scope:
            while True:
                since = anyio.current_time()
                try:
                    await self._hear(listening)
                except MCPError as error:
                    if not listening.has_begun.is_set():
                        listening.error = error
                        listening.has_begun.set()
                        return
                    logger.info("no changes are heard for a while: %s", error)
                if anyio.current_time() - since > _LONGEST_DELAY:
                    delay = self._retry_seconds
                await anyio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)

    async def _hear(self, listening: _Listening) -> None:
        """Listen once, until the server ends it, or is lost.

        Raises:
            ErrorReceived, RequestTimeout, TransportError: It refuses, or is lost.
        """
        async with self._server.listen(listening.wanted) as changes:
            if listening.has_begun.is_set():
                # Spec: 2026-07-28 basic/patterns/subscriptions: no server repeats what
                # was told meanwhile.
                for method, params in _all_of(changes.honored):
                    await self._send_queue.send(jsonrpc.notification(method, params))
            listening.honored = changes.honored
            listening.has_begun.set()
            async for change in changes:
                for method, params in _told(change, self._uris):
                    message = jsonrpc.notification(method, params or None)
                    await self._send_queue.send(message)


def _in_words_of(
    wanted: SubscriptionFilter, honored: SubscriptionFilter
) -> SubscriptionFilter:
    """Give what is honored with the URIs as the client wrote them."""
    agreed = UriSet()
    for uri in honored.resource_subscriptions or ():
        agreed.add(uri)
    uris = [uri for uri in wanted.resource_subscriptions or () if uri in agreed]
    return honored.model_copy(update={"resource_subscriptions": uris or None})


def _told(change: Change, uris: UriSet) -> Iterator[tuple[str, JSONObject]]:
    """Give method and params of what a client is told, in its own words.

    Args:
        change: As the server told it.
        uris: Resources that the client subscribed to, as it wrote them.
    """
    params = wire(change).get("params", {})
    params = {k: v for k, v in params.items() if k != "_meta"}
    if written := uris.written(params.get("uri", "")):
        for uri in written:
            yield change.method, {**params, "uri": uri}
    else:
        yield change.method, params


def _all_of(honored: SubscriptionFilter) -> Iterator[tuple[str, JSONObject | None]]:
    """Give method and params of every change that a subscription may tell of."""
    if honored.tools_list_changed:
        yield "notifications/tools/list_changed", None
    if honored.prompts_list_changed:
        yield "notifications/prompts/list_changed", None
    if honored.resources_list_changed:
        yield "notifications/resources/list_changed", None
    for uri in honored.resource_subscriptions or ():
        yield "notifications/resources/updated", {"uri": uri}
