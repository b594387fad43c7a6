"""The standalone streams of one worker: at most one of each legacy session anywhere.

Spec: 2025-11-25 basic/transports, "Multiple Connections".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, Self

from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import wishing
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.notices import Notice
from mcp_django.server.server import Server
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.relay import Relay
from mcp_django.worker.tasks import Start
from mcp_django.worker.worker import Worker

_SIMULTANEOUS_SECONDS: Final = 5.0
"""Streams opened within so short a time are compared by when; else the last wins."""


class Standalone(Protocol):
    """The stream of a session that belongs to no call."""

    opened_at: tuple[float, str]
    server: Server

    @property
    def age(self) -> float:
        """Seconds since it was opened."""

    def put(self, notice: Notice) -> None:
        """Send a change notice soon."""

    async def displace(self) -> None:
        """End, because the client has opened a newer one."""

    async def close(self) -> None:
        """End, because the session has."""


class StandaloneStreams:
    """Finds the stream of a session, and asks for all of them whether to tell it.

    Args:
        relay: Makes streams known to the other workers.
        start: Runs a coroutine in a task that is held.
        sessions: Says which have ended.
    """

    def __init__(
        self,
        relay: Relay,
        start: Start,
        sessions: OpenSessions,
    ) -> None:
        self._relay = relay
        self._start = start
        self._streams: dict[str, Standalone] = {}
        self._queues: dict[str, NoticeQueue] = {}
        sessions.on_end(self._close)
        relay.on_told("stream", self._hear)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls(worker.relay, worker.start, worker.part(OpenSessions))

    async def add(self, session: HTTPSession, stream: Standalone) -> None:
        """Make a stream the one of its session; an older one ends, on any worker."""
        other = self._streams.get(session.key)
        if other is not None and other.age < stream.age:
            await stream.displace()
            return
        self._streams[session.key] = stream
        if other is not None:
            await other.displace()
        self._announce(session.key, stream)

    def remove(self, session: HTTPSession, stream: Standalone) -> None:
        """Forget a stream that has ended."""
        if self._streams.get(session.key) is stream:
            del self._streams[session.key]

    def _close(self, session_key: str) -> None:
        stream = self._streams.get(session_key)
        if stream is not None:
            self._start(stream.close())

    # The newest one wins --------------------------------------------------------

    def _announce(self, session_key: str, stream: Standalone) -> None:
        opened_at = list(stream.opened_at)
        self._relay.tell_soon(
            {"kind": "stream", "session": session_key, "opened_at": opened_at},
            lasts=_SIMULTANEOUS_SECONDS / 2,
        )

    def _hear(self, told: JSONObject) -> None:
        session_key, [at, name] = told["session"], told["opened_at"]
        stream = self._streams.get(session_key)
        if stream is None:
            return
        # What is heard of now was opened now, whatever the other worker's clock says.
        if stream.opened_at < (at, name) or stream.age > _SIMULTANEOUS_SECONDS:
            self._start(stream.displace())
        else:
            # The older one may not have been there yet to hear of ours.
            self._announce(session_key, stream)

    # Changes --------------------------------------------------------------------

    def notify(self, server: Server, notice: Notice) -> None:
        """Tell clients that have a stream here of a change, if they want to know.

        The cache says so, for all of them at once: each stream may say that it heard of
        a change, and the cache is asked soon, one change after the other.
        """
        queue = self._queues.get(server.name)
        if queue is None:
            tell = partial(self._tell, server)
            queue = self._queues[server.name] = NoticeQueue(tell, self._start)
        queue.put(notice)

    async def _tell(self, server: Server, notice: Notice) -> None:
        streams = {
            key: stream
            for key, stream in self._streams.items()
            if stream.server.name == server.name
        }
        wishes: Mapping[str, Sequence[Notice]] = {}
        # The log says that the cache is away, and that clients do not hear of it.
        with suppress(ServiceAway):
            wishes = await wishing(server, streams, notice)
        for key, wanted in wishes.items():
            for own in wanted:
                streams[key].put(own)
