"""Streams of calls that were left, and the clients that came back for them."""

from __future__ import annotations

import asyncio
from typing import Self

from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker


class Followers:
    """Says that there is more to read of a stream, in every worker; a part of its own.

    Args:
        relay: Tells the other workers.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._events: dict[tuple[str, str], asyncio.Event] = {}
        relay.on_told("event", self._hear)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls(worker.relay)

    def follow(self, session: HTTPSession, stream_name: str) -> asyncio.Event:
        """Give an event that is set when a stream of the session has more to read."""
        has_more = self._events[session.key, stream_name] = asyncio.Event()
        return has_more

    def stop_following(
        self, session: HTTPSession, stream_name: str, has_more: asyncio.Event
    ) -> None:
        """Forget that event."""
        if self._events.get((session.key, stream_name)) is has_more:
            del self._events[session.key, stream_name]

    async def tell(self, session: HTTPSession, stream_name: str) -> None:
        """Say that a stream has more to read, to what follows it in any worker."""
        key = session.key, stream_name
        self._wake(*key)
        # What follows it looks each second, too.
        self._relay.tell_soon(
            {"kind": "event", "session": key[0], "stream": key[1]}, key, lasts=0
        )

    def _hear(self, told: JSONObject) -> None:
        self._wake(told["session"], told["stream"])

    def _wake(self, session_key: str, stream_name: str) -> None:
        has_more = self._events.get((session_key, stream_name))
        if has_more is not None:
            has_more.set()
