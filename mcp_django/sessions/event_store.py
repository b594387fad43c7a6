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

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from django.core.cache import BaseCache

from mcp_django.conf import mcp_settings
from mcp_django.sessions.caching import cache_of
from mcp_django.transports.streamable_http import EventLog

Kind: TypeAlias = Literal["call", "standalone"]

logger = logging.getLogger("mcp_django.sessions")

_PREFIXES: Final[Mapping[str, Kind]] = {"c.": "call", "s.": "standalone"}
_PREFIX_OF: Final[Mapping[Kind, str]] = {kind: p for p, kind in _PREFIXES.items()}
_ID = re.compile(r"([cs]\.[A-Za-z0-9_-]{1,40})-([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Replay:
    """What there is of a stream after some event.

    Attributes:
        name: Names the stream.
        kind: Whether it is the stream of a call or the standalone one.
        events: Id and data of the events, in order.
        last: Number of the last event.
        is_ended: Whether no event will follow.
    """

    name: str
    kind: Kind
    events: Sequence[tuple[str, bytes]]
    last: int
    is_ended: bool


class StoredStream(EventLog):
    """The events of one stream, as whoever writes them sees it.

    Args:
        session_key: Names the session.
        kind: Whether it is the stream of a call or the standalone one.
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
        tell: Callable[[str], Awaitable[None]],
        start: Callable[[Coroutine[Any, Any, None]], object],
        after: Replay | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session_key = session_key
        self._kind = kind
        self._tell = tell
        self._start = start
        self._is_ended = False
        self._clock = clock
        self._kept_at = clock()
        # Made when it is needed: most calls are answered without a stream.
        self._name = "" if after is None else after.name
        self._last = 0 if after is None else after.last

    @property
    def retry_ms(self) -> int:
        """When clients shall come back, in milliseconds."""
        return int(mcp_settings.RETRY_MS)

    async def open(self) -> str:
        """Make an id for the beginning of the stream, before its first event."""
        self._advance()
        await self._note(is_ended=False)
        return self._id

    async def append(self, data: bytes, *, is_last: bool) -> str:
        """Keep an event and give its id."""
        self._advance()
        oldest = self._last - mcp_settings.EVENT_STORE_EVENTS
        if oldest > 0:
            await _cache().adelete(_event_key(self._session_key, self._name, oldest))
        key = _event_key(self._session_key, self._name, self._last)
        await self._note(is_ended=is_last, events={key: data})
        return self._id

    async def end(self) -> None:
        """Keep that no event will follow."""
        if self._name:
            await self._note(is_ended=True)

    async def tell(self) -> None:
        """Tell a client that came back already that there is more."""
        if self._name:
            await self._tell(self._name)

    def tick(self) -> None:
        """Keep in mind that the stream is open, however long nothing is sent."""
        now = self._clock()
        if self._name and now - self._kept_at >= mcp_settings.EVENT_STORE_SECONDS / 3:
            self._kept_at = now
            self._start(self._keep_alive())

    async def _keep_alive(self) -> None:
        key = _stream_key(self._session_key, self._name)
        try:
            if not await _cache().atouch(key, mcp_settings.EVENT_STORE_SECONDS):
                await self._note(is_ended=self._is_ended)
        except Exception:
            logger.exception("an open stream may be forgotten")

    @property
    def _id(self) -> str:
        return f"{self._name}-{self._last}"

    def _advance(self) -> None:
        self._name = self._name or _PREFIX_OF[self._kind] + secrets.token_urlsafe(9)
        self._last += 1

    async def _note(
        self, *, is_ended: bool, events: dict[str, bytes] | None = None
    ) -> None:
        self._is_ended, self._kept_at = is_ended, self._clock()
        key = _stream_key(self._session_key, self._name)
        values: dict[str, Any] = {key: [self._kind, self._last, is_ended]}
        timeout = mcp_settings.EVENT_STORE_SECONDS
        await _cache().aset_many({**(events or {}), **values}, timeout=timeout)


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
    """
    name, after = _parse_id(event_id)
    return await replay_after(session_key, name, after)


async def replay_after(session_key: str, name: str, after: int) -> Replay:
    """Read the events of a session's stream that come after a number.

    Raises:
        LookupError: There is no such stream, or there are no longer all these events.
    """
    noted = await _cache().aget(_stream_key(session_key, name))
    if noted is None:
        raise LookupError(name)
    kind, last, is_ended = noted
    if not last - mcp_settings.EVENT_STORE_EVENTS <= after <= last:
        raise LookupError(name)
    ids = {
        _event_key(session_key, name, number): f"{name}-{number}"
        for number in range(after + 1, last + 1)
    }
    found = await _cache().aget_many(list(ids)) if ids else {}
    if len(found) < len(ids):
        raise LookupError(name)
    events = [(id, found[key]) for key, id in ids.items()]
    return Replay(name, kind, events, last, is_ended)


def _parse_id(text: str) -> tuple[str, int]:
    parts = _ID.fullmatch(text)
    if parts is None:
        raise LookupError("no id of ours")
    return parts[1], int(parts[2])


def _cache() -> BaseCache:
    return cache_of(mcp_settings.EVENT_STORE_CACHE)


def _stream_key(session_key: str, name: str) -> str:
    return f"mcp_django:{session_key}:stream:{name}"


def _event_key(session_key: str, name: str, number: int) -> str:
    return f"mcp_django:{session_key}:event:{name}:{number}"
