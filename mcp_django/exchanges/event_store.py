"""Events of streams that clients may come back for, in a cache of Django's.

Optional: `MCP["EVENT_STORE_CACHE"]` names the cache. Of each stream the last
`EVENT_STORE_EVENTS` events are kept for `EVENT_STORE_SECONDS`; that there is such a
stream is kept as long as it is open. Keys contain the session's, so that no session
reads the events of another.

An event id says of what kind its stream is, also when nothing more is known of it: what
was missed of a call is lost, but of the standalone stream a client can be told that
anything may have changed.

Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from django.core.cache import BaseCache
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import RemoteProtocolError, ServiceAway, TransportClosed
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.leases import lease_key
from mcp_django.protocol import jsonrpc
from mcp_django.transports.server.event_log import EventLog
from mcp_django.worker.caches import event_cache

Kind: TypeAlias = Literal["call", "standalone"]

_PREFIXES: Final[Mapping[str, Kind]] = {"c.": "call", "s.": "standalone"}
_PREFIX_OF: Final[Mapping[Kind, str]] = {kind: p for p, kind in _PREFIXES.items()}
_ID = re.compile(r"([cs]\.[A-Za-z0-9_-]{1,40})-([0-9]{1,9})")


_MAX_READ: Final = 4
"""Events of a call that are read at once: each may take a megabyte."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What there is of a stream after some event, or the first part of it.

    Attributes:
        name: Names the stream.
        kind: Whether it is the stream of a call or the standalone one.
        events: Id and data of the events, in order.
        last: Number of the last event.
        is_ended: Whether no event will follow.
        is_leased: Whether the worker that writes it is known to live.
        has_more: Whether more can be read at once, after the last of these events.
    """

    name: str
    kind: Kind
    events: Sequence[tuple[str, bytes]]
    last: int
    is_ended: bool
    is_leased: bool = True
    has_more: bool = False


class StoredStream(EventLog):
    """The events of one stream, as whoever writes them sees it.

    Only the beginning of a stream is waited for, so that an event id that a client has
    names something. The rest is kept soon, and nobody waits for a slow cache. When
    something could not be kept, the stream is lost: it goes on without event ids, and
    whoever comes back for it is told that there is nothing.

    A worker that was silent for long may find that another one has ended the stream for
    it. So then it looks first, before it writes more.

    Args:
        session_key: Names the session.
        kind: Whether it is the stream of a call or the standalone one.
        writes: Has the event store keep them.
        tell: Awaited with the stream's name when somebody may wait for its events.
        start: Runs a coroutine in a task that somebody holds.
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
        start: Callable[[Coroutine[Any, Any, None]], object],
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
        self._expected: list[RequestId] = []
        self._sure_at = clock()

    @property
    def retry_ms(self) -> int:
        """When clients shall come back, in milliseconds."""
        return int(mcp_settings.RETRY_MS)

    @property
    def is_lost(self) -> bool:
        """Whether clients cannot come back for it."""
        return self._is_lost

    def expect(self, id: RequestId) -> None:
        """Expect an answer to a request on the stream."""
        self._expected.append(id)

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
        key = _end_key(self._session_key, self._name)
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
        key = _stream_key(self._session_key, self._name)
        timeout = mcp_settings.EVENT_STORE_SECONDS
        with contextlib.suppress(ServiceAway):
            if not await event_cache().ask(lambda cache: cache.touch(key, timeout)):
                self._note(is_ended=self._is_ended)

    async def _forget(self) -> None:
        """Let nobody wait for a stream of which something is lost."""
        key = _stream_key(self._session_key, self._name)
        with contextlib.suppress(ServiceAway):
            await event_cache().ask(lambda cache: cache.delete(key))
            self._name = ""

    @property
    def _id(self) -> str:
        return "" if self._is_lost else f"{self._name}-{self._last}"

    def _event_key(self, number: int) -> str:
        return _event_key(self._session_key, self._name, number)

    def _begin(self) -> None:
        self._name = self._name or _PREFIX_OF[self._kind] + secrets.token_urlsafe(9)
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
        key = _stream_key(self._session_key, self._name)
        written = self._writes.put({**events, key: note}, obsolete=obsolete)
        written.add_done_callback(self._look_whether_kept)

    def _look_whether_kept(self, written: asyncio.Future[bool]) -> None:
        if not self._is_lost and not written.result():
            self._is_lost = True
            self._start(self._forget())


def is_enabled() -> bool:
    """Say whether streams can be resumed."""
    return mcp_settings.EVENT_STORE_CACHE is not None


def kind_of(event_id: str) -> Kind | None:
    """Say of what kind of stream an event id is; None if it is none of ours."""
    parts = _ID.fullmatch(event_id)
    return None if parts is None else _PREFIXES[parts[1][:2]]


async def replay(session_key: str, event_id: str) -> Replay:
    """Read the events of a session's stream that come after one.

    Raises:
        LookupError: There is no such event, or there are no longer all that follow.
        ServiceAway: The event store does not answer.
    """
    name, after = _parse_id(event_id)
    return await replay_after(session_key, name, after)


async def replay_after(session_key: str, name: str, after: int) -> Replay:
    """Read the events of a session's stream that come after a number.

    Raises:
        LookupError: There is no such stream, or there are no longer all these events.
        ServiceAway: The event store does not answer.
    """
    replayed = await event_cache().ask(partial(_read_after, session_key, name, after))
    if replayed is None:
        raise LookupError(name)
    return replayed


async def abandon(session_key: str, name: str) -> None:
    """End the stream of a call whose worker is gone: with an error for each request.

    Of several workers that do so the first one counts, and neither does the one that
    was thought to be gone end it once more.

    Raises:
        ServiceAway: The event store does not answer.
    """
    await event_cache().ask(partial(_abandon, session_key, name))


def abandonment(id: RequestId) -> bytes:
    """Give the answer to a request on which nobody works any more."""
    return jsonrpc.serialize(
        jsonrpc.error(
            id,
            INTERNAL_ERROR,
            "the process that worked on this request has ended, and how far it came is "
            "not known; send it again only if it may be done twice",
        )
    )


def _abandon(session_key: str, name: str, cache: BaseCache) -> None:
    noted = cache.get(_stream_key(session_key, name))
    if noted is None:
        return
    _, last, is_ended, *run_by = noted
    # Once more, because it may just have been heard of again.
    if is_ended or not run_by or cache.get(lease_key(run_by[0])) is not None:
        return
    keys = [_event_key(session_key, name, number) for number in range(1, last + 1)]
    kept = cache.get_many(keys[-mcp_settings.EVENT_STORE_EVENTS :])
    answered = {id for data in kept.values() for id in _answered_in(data)}
    # Of a batch with more events nobody knows any longer what was answered.
    is_known = len(run_by[1]) == 1 or len(kept) >= last - 1
    errors = [
        abandonment(id) for id in run_by[1] if is_known and _typed(id) not in answered
    ]
    end = [last, errors]
    cache.add(_end_key(session_key, name), end, mcp_settings.EVENT_STORE_SECONDS)


def _answered_in(data: bytes) -> Iterator[tuple[type, RequestId]]:
    try:
        message = jsonrpc.parse(data)
    except RemoteProtocolError:  # What is kept may be of another release.
        return
    if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
        yield _typed(message.id)


def _typed(id: RequestId) -> tuple[type, RequestId]:
    return type(id), id  # 1 is not "1", nor True


def _read_after(
    session_key: str, name: str, after: int, cache: BaseCache
) -> Replay | None:
    """Read those events; None if they are not all there."""
    stream_key, end_key = _stream_key(session_key, name), _end_key(session_key, name)
    found = cache.get_many([stream_key, end_key])
    kind, last, is_ended, *run_by = found.get(stream_key) or (None, 0, False)
    # Where another worker has ended it, what was written afterwards does not count.
    until, end = found.get(end_key) or (last, ())
    if end_key in found:
        kind, last, is_ended = _PREFIXES[name[:2]], until + len(end), True
    if kind is None:
        return None
    is_leased = is_ended or not run_by or cache.get(lease_key(run_by[0])) is not None
    most = mcp_settings.EVENT_STORE_EVENTS
    if last < after <= last + most and not is_ended:
        # The client has seen what is on its way here.
        return Replay(name, kind, (), after, False, is_leased)
    if not last - most <= after <= last:
        return None
    has_more = kind == "call" and until - after > _MAX_READ
    read_until = after + _MAX_READ if has_more else until
    ids = {
        _event_key(session_key, name, number): f"{name}-{number}"
        for number in range(after + 1, read_until + 1)
    }
    kept = cache.get_many(list(ids)) if ids else {}
    if len(kept) < len(ids):
        return None
    events = [(id, kept[key]) for key, id in ids.items()]
    if has_more:
        return Replay(name, kind, events, read_until, is_ended=False, has_more=True)
    for number, data in enumerate(end, until + 1):
        if number > after:
            events.append((f"{name}-{number}", data))
    return Replay(name, kind, events, last, is_ended, is_leased)


def _parse_id(text: str) -> tuple[str, int]:
    parts = _ID.fullmatch(text)
    if parts is None:
        raise LookupError("no id of ours")
    return parts[1], int(parts[2])


def _stream_key(session_key: str, name: str) -> str:
    return f"mcp_django:{session_key}:stream:{name}"


def _end_key(session_key: str, name: str) -> str:
    return f"mcp_django:{session_key}:end:{name}"


def _event_key(session_key: str, name: str, number: int) -> str:
    return f"mcp_django:{session_key}:event:{name}:{number}"
