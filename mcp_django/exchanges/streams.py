"""Streams of change notices over Streamable HTTP, one class for each era."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum, auto
from functools import partial

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.calls import WaitForDisconnect, notify_nothing
from mcp_django.exchanges.event_store import Replay
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_lives import end_by_operator
from mcp_django.exchanges.session_state import (
    CachedState,
    KeptRights,
    note_gap,
    subscriptions_of,
)
from mcp_django.exchanges.standalone_streams import StandaloneStreams
from mcp_django.exchanges.stored_streams import StoredStream
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer, RequestReceived
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.modern import complete
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.server.fingerprints import changed_since, fingerprint_of
from mcp_django.server.notices import Notice, Topic, changing_lists, everything
from mcp_django.server.requests import Request, make_request
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    MESSAGE_EVENT,
    encode_event,
    encode_priming,
    encode_retry,
)
from mcp_django.transports.server.http_response import HTTPResponse
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.subscribers import Subscriber
from mcp_django.worker.worker import Worker

logger = FaultLog("mcp_django.exchanges")

_DISPLACED_RETRY_MS = 10_000
RETRY_MS = 5000
"""For clients that lose a stream of their own: common ones try twice at once if they
are told nothing, which is less than a restart takes."""


class _State(Enum):
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
        self._state = _State.NEW
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
            if self._state is _State.NEW:
                self._state = _State.OPEN
                await self._begin()
                await wait_for_disconnect()
        except asyncio.CancelledError:
            # By the server, which ends; its clients are still there.
            await self.close()
            raise
        finally:
            self._state = _State.OVER
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
        was_open = self._state is _State.OPEN
        self._state = _State.OVER  # first, so that nothing follows the last words
        if was_open:
            if last_words and not self._response.is_congested:
                await self._response.write(last_words)
            await self._response.end_stream()

    async def _write(self, chunk: bytes) -> None:
        if self._state is _State.OPEN:
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


class SessionStream(EventStream):
    """A stream of a legacy session.

    Args:
        session: The session, which outlives the stream.
    """

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        response: HTTPResponse,
        session: HTTPSession,
    ) -> None:
        super().__init__(server, worker, identity, response)
        self._session = session

    @property
    def peer(self) -> Peer:
        """What the client of its session said of itself."""
        return self._session.peer

    async def end_session(self) -> None:
        """End the session, which any worker would take up again."""
        await end_by_operator(
            self._worker, self.server, self._session, self._identity.user
        )


class StandaloneStream(SessionStream):
    """The stream of a legacy session that belongs to no call.

    Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server".

    Args:
        log: Keeps its events; None where streams cannot be resumed.
        replayed: What the client missed of the stream with which this one goes on.
        is_behind: Whether the client was away, and so may have missed what was not
            kept, also after what is replayed: a change is kept for no session without
            a stream. It is told that everything may have changed.

    Attributes:
        opened_at: When it was opened, by the clock of this computer; of two streams
            of one session the later stays.
    """

    sort = "standalone"

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        response: HTTPResponse,
        session: HTTPSession,
        *,
        sender: Sender,
        log: StoredStream | None,
        replayed: Replay | None = None,
        is_behind: bool = False,
    ) -> None:
        super().__init__(server, worker, identity, response, session)
        self._sender = sender
        self._subscriber: Subscriber | None = None
        self.opened_at = (time.time(), secrets.token_urlsafe(6))
        self._began = time.monotonic()
        self._log = log
        self._replayed = replayed
        self._is_behind = is_behind
        self._queue = NoticeQueue(self._send, worker.start)

    @property
    def age(self) -> float:
        """Seconds since it was opened, however the clock was set meanwhile."""
        return time.monotonic() - self._began

    def put(self, notice: Notice) -> None:
        """Send a change notice soon."""
        self._queue.put(notice)

    async def notify(self, notice: Notice) -> None:
        """Tell the client of a change, if it wants to know."""
        self._worker.part(StandaloneStreams).notify(self.server, notice)

    async def recheck(self) -> None:
        """Ask again what of its session's subscriptions its user may read."""
        # What cannot be looked up is asked before the client is told.
        with contextlib.suppress(ServiceAway):
            uris = await subscriptions_of(self._session)
            if uris:
                await self._subscribed().recheck(uris)

    async def retire(self) -> None:
        """End, and keep in mind that the client may miss changes until it is back."""
        with contextlib.suppress(ServiceAway):
            await note_gap(self._session)
        await self.close()

    async def displace(self) -> None:
        """End, because the client has opened a newer one."""
        await self._end(encode_retry(_DISPLACED_RETRY_MS))

    async def tick(self) -> None:
        """Keep the connection alive, and what a client comes back to."""
        await super().tick()
        if self._log is not None and self._state is _State.OPEN:
            self._log.tick()

    async def _begin(self) -> None:
        await self._begin_events()
        await self._worker.part(StandaloneStreams).add(self._session, self)
        self._worker.listeners.add(self)
        # Something to read at once, for a client that waits until it hears of changes.
        await self._write(KEEP_ALIVE)
        if self._is_behind:
            await self.tell_everything()
        else:
            self._tell_of_deploy()

    async def _begin_events(self) -> None:
        """Say when to come back, and where from, to clients that know how."""
        id = ""
        is_new = self._replayed is None
        if self._log is not None and is_new and self._session.primes_streams:
            id = await self._log.open()
        if id:
            await self._write(encode_priming(id, RETRY_MS))
        elif self._session.primes_streams:
            await self._write(encode_retry(RETRY_MS))
        if self._replayed is not None:
            await self._write_replayed(self._replayed)

    async def tell_everything(self) -> None:
        """Tell the client of every change that it may have missed."""
        # Together, so that none is told twice; a deploy may have removed a whole list.
        for topic in dict.fromkeys((*changing_lists(self.server), *self._deployed())):
            self.put(Notice(topic))
        with contextlib.suppress(ServiceAway):
            for uri in await subscriptions_of(self._session):
                self.put(Notice("resource", uri))

    def _tell_of_deploy(self) -> None:
        """Tell the client of lists that are others than at its `initialize`.

        Once on each stream: workers that differ for a while make no more of it.
        """
        for topic in self._deployed():
            self.put(Notice(topic))

    def _deployed(self) -> Sequence[Topic]:
        return changed_since(self._session.fingerprint, fingerprint_of(self.server))

    def _subscribed(self) -> Subscriber:
        # Made when it is needed: most streams hear of lists only.
        if self._subscriber is None:
            request = _subscribing(self.server, self._session, self._sender)
            kept = KeptRights(self._session)
            self._subscriber = Subscriber(self.server, request, kept=kept)
        return self._subscriber

    def _forget(self) -> None:
        self._worker.listeners.discard(self)
        self._worker.part(StandaloneStreams).remove(self._session, self)

    async def _send(self, notice: Notice) -> None:
        is_resource = notice.topic == "resource"
        may_hear = not is_resource or await self._subscribed().may_hear(notice)
        if not may_hear or self._state is _State.OVER:
            return  # A newer stream may go on with the log.
        message = jsonrpc.notification(notice.method, notice.params or None)
        data = jsonrpc.serialize(message)
        id = ""
        if self._log is not None:
            id = await self._log.append(data, is_last=False)
        await self._write_event(data, id)


def _subscribing(server: Server, session: HTTPSession, sender: Sender) -> Request:
    """Make a request as those by which the client of a session subscribed.

    They may have been sent to other workers; what is kept of them is what they name.
    """
    return make_request(
        RequestReceived("subscribed", "resources/subscribe", {}, session.peer),
        sender,
        notify_nothing,
        find_session=partial(CachedState, session, server),
    )
