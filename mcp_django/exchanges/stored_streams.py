"""Streams whose events are kept, as the worker that writes them sees it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.core.cache import BaseCache
from mcp_types.jsonrpc import RequestId

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway, TransportClosed
from mcp_django.exchanges.event_keys import (
    Kind,
    end_key,
    event_id,
    event_key,
    new_stream_name,
    stream_key,
)
from mcp_django.exchanges.event_store import Replay
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.transports.server.event_log import EventLog
from mcp_django.worker.caches import event_cache
from mcp_django.worker.tasks import Start


class StoredStream(EventLog):
    """The events of one stream, as the worker that writes them sees it.

    Only the beginning of a stream is waited for, so that an event id that a client has
    names something. The rest is kept soon, and no handler waits for a slow cache. When
    something could not be kept, the stream is lost: it goes on without event ids, and
    a client that comes back for it is told that there is nothing.

    A worker that was silent for long may find that another one has ended the stream for
    it. So then it looks first, before it writes more.

    Args:
        session_key: Names the session.
        kind: Whether it is the stream of a call or the standalone one.
        writes: Has the event store keep them.
        tell: Awaited with the stream's name when a client may wait for its events.
        start: Runs a coroutine in a task that the worker holds.
        expected: Requests whose answers end the stream.
        after: What was there before, where an earlier stream goes on.
        clock: Gives the time in seconds; never goes back.
    """

    def __init__(
        self,
        session_key: str,
        kind: Kind,
        *,
        writes: EventWrites,
        tell: Callable[[str], Awaitable[None]],
        start: Start,
        expected: Sequence[RequestId] = (),
        after: Replay | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session_key = session_key
        self._kind = kind
        self._writes = writes
        self._tell = tell
        self._start = start
        self._is_ended = False
        self._is_lost = False
        self._is_telling = False
        self._clock = clock
        self._kept_at = clock()
        # Made when it is needed: most calls are answered without a stream.
        self._name = "" if after is None else after.name
        self._last = 0 if after is None else after.last
        self._expected = list(expected)
        self._sure_at = clock()

    @property
    def retry_ms(self) -> int:
        """When clients shall come back, in milliseconds."""
        return mcp_settings.RETRY_MS

    @property
    def is_lost(self) -> bool:
        """Whether clients cannot come back for it."""
        return self._is_lost

    async def open(self) -> str:
        """Make an id for the beginning of the stream, before its first event."""
        self._begin()
        self._note(is_ended=False)
        await self._writes.flush()
        return self._id

    async def append(self, data: bytes, *, is_last: bool) -> str:
        """Keep an event soon and give its id.

        Raises:
            TransportClosed: Another worker has ended the stream.
        """
        if self._is_lost:
            return ""
        is_first = not self._name
        if is_first:
            self._begin()
        elif self._expected and self._writes.lease.may_have_lapsed(self._sure_at):
            if await self._is_ended_by_another(data if is_last else None):
                raise TransportClosed("another worker has ended the stream")
            self._advance()
        else:
            self._advance()
        oldest = self._last - mcp_settings.EVENT_STORE_EVENTS
        obsolete = [self._event_key(oldest)] if oldest > 0 else []
        key = self._event_key(self._last)
        self._note(is_ended=is_last, events={key: data}, obsolete=obsolete)
        if is_first:
            await self._writes.flush()
        else:
            await self._writes.make_room()
        return self._id

    async def end(self) -> None:
        """Keep that no event will follow."""
        if self._name and not self._is_lost:
            self._note(is_ended=True)

    async def tell(self) -> None:
        """Tell a client that came back already that there is more, once that is kept.

        Waits for that only when no event will follow, because the process may end then.
        """
        if not self._name:
            return
        if self._is_ended:
            await self._tell_when_kept()
        elif not self._is_telling:
            self._is_telling = True
            self._start(self._tell_when_kept())

    def tick(self) -> None:
        """Keep in mind that the stream is open, however long nothing is sent."""
        now = self._clock()
        if self._name and self._expected:
            self._writes.lease.renew()
        seconds = mcp_settings.EVENT_STORE_SECONDS / 3
        if self._is_lost:
            seconds = mcp_settings.AWAY_SECONDS
        if self._name and now - self._kept_at >= seconds:
            self._kept_at = now
            self._start(self._forget() if self._is_lost else self._keep_alive())

    async def _is_ended_by_another(self, last: bytes | None) -> bool:
        """Say whether another worker has ended the stream; if not, `last` ends it."""
        await self._writes.flush()
        now, is_held = self._clock(), self._writes.lease.is_held
        key = end_key(self._session_key, self._name)
        end = None if last is None else [self._last, [last]]
        timeout = mcp_settings.EVENT_STORE_SECONDS

        def look(cache: BaseCache) -> bool:
            if end is None:
                return cache.get(key) is not None
            return not cache.add(key, end, timeout)

        try:
            is_ended = await event_cache().ask(look)
        except ServiceAway:
            return False  # The client that is here shall have its answer.
        if is_held:
            self._sure_at = now
        return is_ended

    async def _tell_when_kept(self) -> None:
        await self._writes.flush()
        self._is_telling = False  # first: what is kept from now on is told again
        await self._tell(self._name)

    async def _keep_alive(self) -> None:
        key = stream_key(self._session_key, self._name)
        timeout = mcp_settings.EVENT_STORE_SECONDS
        with contextlib.suppress(ServiceAway):
            if not await event_cache().ask(lambda cache: cache.touch(key, timeout)):
                self._note(is_ended=self._is_ended)

    async def _forget(self) -> None:
        """Let no client wait for a stream of which something is lost."""
        key = stream_key(self._session_key, self._name)
        with contextlib.suppress(ServiceAway):
            await event_cache().ask(lambda cache: cache.delete(key))
            self._name = ""

    @property
    def _id(self) -> str:
        return "" if self._is_lost else event_id(self._name, self._last)

    def _event_key(self, number: int) -> str:
        return event_key(self._session_key, self._name, number)

    def _begin(self) -> None:
        self._name = self._name or new_stream_name(self._kind)
        self._sure_at = self._clock()
        self._advance()

    def _advance(self) -> None:
        self._last += 1

    def _note(
        self,
        *,
        is_ended: bool,
        events: Mapping[str, bytes] = MappingProxyType({}),
        obsolete: Sequence[str] = (),
    ) -> None:
        self._is_ended, self._kept_at = is_ended, self._clock()
        note: list[Any] = [self._kind, self._last, is_ended]
        if self._expected:
            note += [self._writes.lease.name, self._expected]
        key = stream_key(self._session_key, self._name)
        written = self._writes.put({**events, key: note}, obsolete=obsolete)
        written.add_done_callback(self._look_whether_kept)

    def _look_whether_kept(self, written: asyncio.Future[bool]) -> None:
        if not self._is_lost and not written.result():
            self._is_lost = True
            self._start(self._forget())
