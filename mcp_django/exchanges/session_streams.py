"""Event streams of legacy sessions, such as those of change notices."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Sequence
from functools import partial

from mcp_django.auth.interface import Identity
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.calls import notify_nothing
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
from mcp_django.exchanges.streams import EventStream, State
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer, RequestReceived
from mcp_django.server.fingerprints import changed_since, fingerprint_of
from mcp_django.server.notices import Notice, Topic, changing_lists
from mcp_django.server.requests import Request, make_request
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    encode_priming,
    encode_retry,
)
from mcp_django.transports.server.http_response import HTTPResponse
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.subscribers import Subscriber
from mcp_django.worker.worker import Worker

_DISPLACED_RETRY_MS = 10_000
RETRY_MS = 5000
"""For clients that lose a stream of their own: common ones try twice at once if they
are told nothing, which is less than a restart takes."""


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
        if self._log is not None and self._state is State.OPEN:
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
        if not may_hear or self._state is State.OVER:
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
