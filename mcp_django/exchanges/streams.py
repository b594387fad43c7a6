"""Event streams that stay open, such as those of change notices of the modern era."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from enum import Enum, auto

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.exchanges.calls import WaitForDisconnect
from mcp_django.exchanges.event_store import Replay
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.modern import complete
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.server.notices import Notice, everything
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    MESSAGE_EVENT,
    encode_event,
)
from mcp_django.transports.server.http_response import HTTPResponse
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.subscribers import Subscriber
from mcp_django.worker.worker import Worker

logger = FaultLog("mcp_django.exchanges")


class State(Enum):
    """How far a stream is."""

    NEW = auto()
    OPEN = auto()
    OVER = auto()


class EventStream(OpenConnection, ABC):
    """An event stream that stays open until either side ends it.

    ::

        NEW --run()--> OPEN --the client goes, close(), abort()--> OVER
         +-----------------close(), abort()------------------------^

    An idle one costs no task: the task of the connection waits for the client to go,
    which is also what it hears when the stream has been ended here.
    """

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        response: HTTPResponse,
    ) -> None:
        self.server = server
        self._worker = worker
        self._identity = identity
        self._response = response
        self._state = State.NEW
        self._written_at = self._begun_at = time.monotonic()

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        return self._identity

    @property
    def served_by(self) -> Server:
        """The server whose stream it is."""
        return self.server

    @property
    def unread_seconds(self) -> float:
        """For how long its client has taken nothing of what it was sent."""
        return self._response.unread_seconds

    @property
    def silent_seconds(self) -> float:
        """For how long nothing was heard of its client: it only listens."""
        return time.monotonic() - self._begun_at

    async def abort(self) -> None:
        """End the stream of a client that is gone."""
        self._response.abort()
        await self._end(b"")

    async def run(self, wait_for_disconnect: WaitForDisconnect) -> None:
        """Hold the stream until either side ends it."""
        self._worker.hold(self)
        has_begun = False
        try:
            await self._response.start_events()
            has_begun = True
            if self._state is State.NEW:
                self._state = State.OPEN
                await self._begin()
                await wait_for_disconnect()
        except asyncio.CancelledError:
            # By the server, which ends; its clients are still there.
            await self.close()
            raise
        finally:
            self._state = State.OVER
            self._forget()
            try:
                if has_begun:
                    await self._response.end_stream()
            finally:
                # Last, because the end of the process waits for it.
                self._worker.let_go(self)

    async def finish(self) -> None:
        """End the stream."""
        await self.close()

    async def tick(self) -> None:
        """Keep the connection alive while there is nothing to tell.

        One ends through which nothing passes any more.
        """
        if self._response.look() > mcp_settings.MAX_HELD_SECONDS:
            logger.warning(
                "a stream ends, as its client takes nothing; it is gone, or "
                "opens another"
            )
            await self.abort()
            return
        silence = time.monotonic() - self._written_at
        # Other streams have to be ticked as well, and cannot wait for a slow client.
        is_due = silence >= mcp_settings.KEEP_ALIVE_SECONDS
        if is_due and not self._response.is_congested:
            await self._write(KEEP_ALIVE)

    async def close(self) -> None:
        """End the stream, for the end of the process or of the credentials."""
        await self._end(b"")

    async def _end(self, last_words: bytes) -> None:
        was_open = self._state is State.OPEN
        self._state = State.OVER  # first, so that nothing follows the last words
        if was_open:
            if last_words and not self._response.is_congested:
                await self._response.write(last_words)
            await self._response.end_stream()

    async def _write(self, chunk: bytes) -> None:
        if self._state is State.OPEN:
            self._written_at = time.monotonic()
            await self._response.write(chunk)

    async def _write_event(self, data: bytes, id: str = "") -> None:
        await self._write(encode_event("message", data, id=id))

    async def _write_replayed(self, replayed: Replay) -> None:
        for id, data in replayed.events:
            await self._write_event(data, id)

    @abstractmethod
    async def _begin(self) -> None:
        """Write how the stream begins, and let others find it."""

    @abstractmethod
    def _forget(self) -> None:
        """Take back what `_begin` let others find."""


class ListenStream(EventStream):
    """The answer to `subscriptions/listen`, in the modern era.

    Spec: 2026-07-28 basic/patterns/subscriptions.
    """

    sort = "listen"

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        response: HTTPResponse,
        subscription: Subscription,
        request: Request,
    ) -> None:
        super().__init__(server, worker, identity, response)
        self._subscription = subscription
        self._peer = request.peer
        self._subscriber = Subscriber(server, request, subscription.uris)
        self._queue = NoticeQueue(self._send, worker.start)

    @property
    def peer(self) -> Peer:
        """What its client says of itself."""
        return self._peer

    async def notify(self, notice: Notice) -> None:
        """Tell the client of a change, if it wants to know."""
        for own in notice.as_written_in(self._subscription.uris):
            if self._message(own) is not None:
                self._queue.put(own)

    async def tell_everything(self) -> None:
        """Tell the client of every change that it may have missed."""
        for notice in everything(self.server, self._subscription.uris):
            await self.notify(notice)

    async def recheck(self) -> None:
        """Ask again what of its subscriptions its user may read."""
        await self._subscriber.recheck(self._subscription.uris)

    async def close(self) -> None:
        """Answer the request, so that the client sees a graceful end."""
        result = complete(self._subscription.result, self.server.server_info)
        answer = jsonrpc.serialize(jsonrpc.result(self._subscription.id, result))
        await self._end(MESSAGE_EVENT % answer)

    async def _begin(self) -> None:
        await self._write_event(jsonrpc.serialize(self._subscription.acknowledgement))
        self._worker.listeners.add(self)

    def _forget(self) -> None:
        self._worker.listeners.discard(self)

    async def _send(self, notice: Notice) -> None:
        message = self._message(notice)
        if message is not None and await self._subscriber.may_hear(notice):
            await self._write_event(jsonrpc.serialize(message))

    def _message(self, notice: Notice) -> Message | None:
        return self._subscription.notification(notice.method, notice.params)
