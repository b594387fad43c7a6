"""What the client of a session is told of, in either era."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, TypeAlias

from mcp_types.jsonrpc import INTERNAL_ERROR, RequestId

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.legacy import LegacyServerProtocol, State
from mcp_django.protocol.server import ServerProtocol
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import subscribe, too_many_subscriptions
from mcp_django.sessions.session_state import StateInMemory
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.subscribers import Subscriber
from mcp_django.worker.tasks import Start

Send: TypeAlias = Callable[[Message], Awaitable[None]]

_MAX_LISTENING: Final = 100
"""Requests to listen that one connection may have open."""


class Subscriptions:
    """What the client wants to know of, and what it is told.

    In the legacy era it says so by subscribing to resources, in the modern one by
    requests to listen, which stay open.

    Args:
        server: Whose changes.
        protocol: Says whether there is a legacy session, and which requests are open.
        state: What the client set for its legacy session.
        send: Sends a message to the client.
        start: Runs a coroutine in a task that is held until it ends.

    Spec: 2025-11-25 server/resources, "Subscriptions"; 2026-07-28
    basic/patterns/subscriptions.
    """

    __slots__ = (
        "_listening",
        "_notices",
        "_protocol",
        "_send",
        "_server",
        "_start",
        "_state",
        "_subscribing",
    )

    def __init__(
        self,
        server: Server,
        protocol: ServerProtocol | LegacyServerProtocol,
        state: StateInMemory,
        *,
        send: Send,
        start: Start,
    ) -> None:
        self._server = server
        self._protocol = protocol
        self._state = state
        self._send = send
        self._start = start
        self._listening: dict[RequestId, tuple[Subscription, Subscriber]] = {}
        self._subscribing = 0
        self._notices: NoticeQueue | None = None

    @property
    def uris(self) -> Iterable[str]:
        """Resources that the client wants to know of."""
        listened = [subscription.uris for subscription, _ in self._listening.values()]
        return {uri for uris in (self._state.uris, *listened) for uri in uris}

    async def recheck(self) -> None:
        """Ask again what the client's user may read of what it listens to."""
        for subscription, subscriber in list(self._listening.values()):
            await subscriber.recheck(subscription.uris)

    # Telling --------------------------------------------------------------------

    def notify(self, notice: Notice) -> None:
        """Tell the client of a change, if it wants to know; waits for nothing.

        What changes again before the client was told is told once.
        """
        # What the client does not want to know must not wait while it reads slowly.
        if not (self._wanted(notice) or any(self._messages_of(notice))):
            return
        if self._notices is None:
            self._notices = NoticeQueue(self._tell, self._start)
        self._notices.put(notice)

    async def _tell(self, notice: Notice) -> None:
        for own in self._wanted(notice):
            # Still wanted, after what may have taken a while.
            if await self._state.may_hear(own) and own in self._wanted(notice):
                self._state.forget_elicitation(own.subject)
                await self._send(jsonrpc.notification(own.method, own.params or None))
        for id, subscriber, own, message in list(self._messages_of(notice)):
            if await subscriber.may_hear(own) and id in self._listening:
                await self._send(message)

    def _wanted(self, notice: Notice) -> list[Notice]:
        """Give what the legacy session wants to know of a change."""
        if self._protocol.state is not State.OPEN:
            return []
        return self._state.wanted(notice)

    def _messages_of(
        self, notice: Notice
    ) -> Iterator[tuple[RequestId, Subscriber, Notice, Message]]:
        """Give what is sent to the requests to listen that want to know of a change."""
        for id, (subscription, subscriber) in self._listening.items():
            for own in notice.as_written_in(subscription.uris):
                message = subscription.notification(own.method, own.params)
                if message is not None:
                    yield id, subscriber, own, message

    # Listening ------------------------------------------------------------------

    async def listen(self, request: Request) -> None:
        """Begin to tell the client of changes; the request stays open.

        Raises:
            ErrorAnswer: The request is malformed, or one too many.
        """
        subscription = await self._subscribe(request)
        if request.is_cancelled or not self._protocol.has_pending(request.id):
            return
        subscriber = Subscriber(self._server, request, subscription.uris)
        self._listening[request.id] = subscription, subscriber
        await self._send(subscription.acknowledgement)

    async def _subscribe(self, request: Request) -> Subscription:
        # Permissions take a while: requests that wait for them count.
        if len(self._listening) + self._subscribing >= _MAX_LISTENING:
            raise ErrorAnswer(
                INTERNAL_ERROR,
                f"too many requests to listen; {_MAX_LISTENING} are allowed",
            )
        self._subscribing += 1
        try:
            subscription = await subscribe(self._server, request)
        finally:
            self._subscribing -= 1
        listened = sum(len(other.uris) for other, _ in self._listening.values())
        if listened + len(subscription.uris) > mcp_settings.MAX_SUBSCRIPTIONS:
            raise too_many_subscriptions()
        return subscription

    def cancel(self, id: RequestId) -> None:
        """Tell the client no longer what a request to listen asked for."""
        self._listening.pop(id, None)

    async def end(self) -> None:
        """Answer the requests to listen, so that clients see a graceful end."""
        for id, (subscription, _) in list(self._listening.items()):
            del self._listening[id]
            answer = self._protocol.send_result(id, subscription.result)
            if answer is not None:
                await self._send(answer)
