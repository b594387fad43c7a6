"""What is kept of a legacy session over Streamable HTTP, in the cache `MCP["CACHE"]`.

Each thing is under a key of its own, so that two workers cannot overwrite what the
other wrote: the log level, each subscription, and that the session has ended; then
nothing else is kept of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from django.core.cache import BaseCache

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.protocol.log_levels import DEFAULT_LOG_LEVEL
from mcp_django.server.notices import Notice, Topic
from mcp_django.server.requests import Request, SessionState
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import check_uri, too_many_subscriptions
from mcp_django.worker.caches import SiteCache, cache_of

_ENDED: Final = "ended"
_LOG_LEVEL: Final = "log-level"
_COUNTER: Final = "subscriptions"
_GAP: Final = "gap"
_MAX_VISIT_SECONDS: Final = 24 * 3600.0
"""For how long a client is told that a visit to a URL has ended."""

_MAX_WRITTEN: Final = 100
"""Ways to write one URI that a session may subscribe to; of more, the newest."""


class CachedState(SessionState):
    """What the client of a session set, in the cache.

    Made for each request; what was read is not read again.
    """

    __slots__ = ("_log_level", "_server", "_session", "id")

    def __init__(self, session: HTTPSession, server: Server) -> None:
        self.id = session.key
        self._session = session
        self._server = server
        self._log_level: str | None = None

    async def read_log_level(self) -> str:
        """Give the severity of the least severe log messages to send."""
        if self._log_level is None:
            key = _key(self._session.key, _LOG_LEVEL)
            level: str = DEFAULT_LOG_LEVEL
            # No reason for a handler to fail, which only has something to say.
            with contextlib.suppress(ServiceAway):
                level = await _cache().ask(lambda cache: cache.get(key, level))
            self._log_level = level
        return self._log_level

    async def set_log_level(self, level: str) -> None:
        """Send log messages of this severity and above from now on.

        Raises:
            ServiceAway: The cache does not take it.
        """
        key, rest = _key(self._session.key, _LOG_LEVEL), self._session.rest
        await _cache().ask(lambda cache: cache.set(key, level, timeout=rest))
        self._log_level = level

    async def subscribe(self, uri: str, request: Request | None = None) -> None:
        """Tell the client whenever a resource changes; its stream knows its user.

        Raises:
            ErrorAnswer: The session has all subscriptions that it may have.
            ServiceAway: The cache does not take it.
        """
        check_uri(uri)
        wish = _wish("resource", self._server.resource_keys.of(uri))
        if not await _cache().ask(partial(_subscribe, self._session, wish, uri)):
            raise too_many_subscriptions()

    async def unsubscribe(self, uri: str) -> None:
        """Tell it no longer, in whatever way it wrote the URI when it subscribed.

        Raises:
            ServiceAway: The cache does not take it.
        """
        wish = _wish("resource", self._server.resource_keys.of(uri))
        await _cache().ask(partial(_unsubscribe, self._session, wish, uri))

    async def remember_elicitation(self, elicitation_id: str) -> None:
        """Tell the client when a visit to a URL has ended.

        Raises:
            ServiceAway: The cache does not take it.
        """
        key = _key(self._session.key, _wish("elicitation", elicitation_id))
        timeout = min(self._session.rest, _MAX_VISIT_SECONDS)
        await _cache().ask(lambda cache: cache.set(key, True, timeout=timeout))


def _subscribe(session: HTTPSession, wish: str, uri: str, cache: BaseCache) -> bool:
    """Keep a subscription; False if there are too many."""
    key, rest = _key(session.key, wish), session.rest
    ended = _key(session.key, _ENDED)
    found = cache.get_many([ended, key])
    if ended in found:  # meanwhile; nothing of it is kept any more
        return True
    written = found.get(key, [])
    if not (written or _add_to_list(session, wish, cache)):
        return False
    others = [other for other in written if other != uri]
    cache.set(key, [*others, uri][-_MAX_WRITTEN:], timeout=rest)
    # A user that may not read it was refused.
    KeptRights(session).put_in(cache, uri, True)
    return True


def _add_to_list(session: HTTPSession, wish: str, cache: BaseCache) -> bool:
    """Let a subscription be found that is not known yet; it may be gone later.

    Returns:
        Whether there is room for it.
    """
    counter, rest = _key(session.key, _COUNTER), session.rest
    cache.add(counter, 0, timeout=rest)
    number = cache.incr(counter)  # several workers may count at once
    cache.touch(counter, rest)  # backends that do not count forget it
    if number > mcp_settings.MAX_SUBSCRIPTIONS:
        free = _free_numbers(session, cache)
        if not free:
            return False
        number = secrets.choice(free)  # another worker may look for one as well
    cache.set(_key(session.key, _listed(number)), wish, timeout=rest)
    return True


def _free_numbers(session: HTTPSession, cache: BaseCache) -> list[int]:
    """Give the numbers whose subscription is gone."""
    numbers = _numbers_of(session, cache)
    by_key = {_key(session.key, _listed(number)): number for number in numbers}
    listed = cache.get_many(list(by_key))
    kept = cache.get_many([_key(session.key, wish) for wish in listed.values()])
    free = []
    for key, number in by_key.items():
        # Of two numbers for one, which was gone meanwhile, one is free.
        if kept.pop(_key(session.key, listed.get(key, "")), None) is None:
            free.append(number)
    return free


def _unsubscribe(session: HTTPSession, wish: str, uri: str, cache: BaseCache) -> None:
    key = _key(session.key, wish)
    written = cache.get(key, [])
    others = [other for other in written if other != uri]
    if others and uri in written:
        cache.set(key, others, timeout=session.rest)
    else:
        cache.delete(key)
    cache.delete(_key(session.key, _readable(uri)))


class KeptRights:
    """What a session was found to be allowed to read, for the time of two rechecks.

    Streams come and go, and rows are deleted of which only this tells whose they were.
    """

    __slots__ = ("_session",)

    def __init__(self, session: HTTPSession) -> None:
        self._session = session

    async def get(self, uri: str) -> bool | None:
        """Say whether it could read a URI, as its client wrote it; None if unknown."""
        key = self._key_of(uri)
        found: bool | None = await _cache().ask(lambda cache: cache.get(key))
        return found

    async def put(self, uri: str, may: bool) -> None:
        """Keep what was found just now."""
        await _cache().ask(lambda cache: self.put_in(cache, uri, may))

    def put_in(self, cache: BaseCache, uri: str, may: bool) -> None:
        """Keep it, in a thread of the cache."""
        timeout = 2 * mcp_settings.RECHECK_SECONDS
        cache.set(self._key_of(uri), may, timeout=timeout)

    def _key_of(self, uri: str) -> str:
        return _key(self._session.key, _readable(uri))


async def wishing(
    server: Server, keys: Iterable[str], notice: Notice
) -> dict[str, list[Notice]]:
    """Say which sessions, given by key, want to know of a change.

    Every one hears of lists; of a resource those that subscribed to it, and of a visit
    to a URL the one that asked its user for it.

    Returns:
        Mapping of key to what that session is told: in the words of its client.
    """
    if notice.topic not in ("resource", "elicitation"):
        return {key: [notice] for key in keys}
    is_visit = notice.topic == "elicitation"
    subject = notice.subject if is_visit else server.resource_keys.of(notice.subject)
    wish = _wish(notice.topic, subject)
    by_cache_key = {_key(key, wish): key for key in keys}

    def read(cache: BaseCache) -> dict[str, Any]:
        found = cache.get_many(list(by_cache_key))
        if is_visit and found:
            cache.delete_many(list(found))  # a visit ends once
        return found

    found = await _cache().ask(read)
    if is_visit:
        return {by_cache_key[cache_key]: [notice] for cache_key in found}
    return {
        by_cache_key[cache_key]: [replace(notice, subject=uri) for uri in written]
        for cache_key, written in found.items()
    }


async def subscriptions_of(session: HTTPSession) -> list[str]:
    """Give the URIs that a session is subscribed to, as its client wrote them.

    Raises:
        ServiceAway: The cache does not say.
    """

    def read(cache: BaseCache) -> list[str]:
        kept = _read_all(session, _wishes_of(session, cache), cache)
        return [uri for written in kept for uri in written]

    return await _cache().ask(read)


def _wishes_of(session: HTTPSession, cache: BaseCache) -> list[str]:
    numbers = _numbers_of(session, cache)
    wishes = _read_all(session, [_listed(number) for number in numbers], cache)
    return list(dict.fromkeys(wishes))


def _numbers_of(session: HTTPSession, cache: BaseCache) -> range:
    """Give the numbers of the subscriptions that can be listed."""
    count: int = cache.get(_key(session.key, _COUNTER), 0)
    return range(1, min(count, mcp_settings.MAX_SUBSCRIPTIONS) + 1)


def _read_all(
    session: HTTPSession, whats: Sequence[str], cache: BaseCache
) -> list[Any]:
    """Read what is kept of a session, in order, without what there is not."""
    keys = [_key(session.key, what) for what in whats]
    found = cache.get_many(keys) if keys else {}
    return [found[key] for key in keys if key in found]


async def note_gap(session: HTTPSession) -> None:
    """Keep in mind that a session has no stream, because ours was ended.

    Raises:
        ServiceAway: The cache does not take it.
    """
    key, rest = _key(session.key, _GAP), session.rest
    await _cache().ask(lambda cache: cache.set(key, True, timeout=rest))


async def take_gap(session: HTTPSession) -> bool:
    """Say whether its client may have missed changes since then; that is said once.

    Raises:
        ServiceAway: The cache does not say.
    """
    key = _key(session.key, _GAP)
    return await _cache().ask(lambda cache: cache.delete(key))


async def note_end(session: HTTPSession) -> bool:
    """Keep in mind that a session has ended, and nothing else of it.

    For as long as its id would be good.

    Returns:
        Whether that is news: of several workers that end it at once, one hears so.

    Raises:
        ServiceAway: The cache does not take it.
    """
    return await _cache().ask(partial(_end, session))


def _end(session: HTTPSession, cache: BaseCache) -> bool:
    is_news = cache.add(_key(session.key, _ENDED), True, timeout=session.rest)
    wishes = _wishes_of(session, cache)
    kept = [uri for written in _read_all(session, wishes, cache) for uri in written]
    listed = [_listed(number) for number in _numbers_of(session, cache)]
    rights = [_readable(uri) for uri in kept]
    whats = [_LOG_LEVEL, _COUNTER, _GAP, *listed, *wishes, *rights]
    cache.delete_many([_key(session.key, what) for what in whats])
    return is_news


async def note_ends_before(marks: Sequence[str], before: float) -> None:
    """Keep in mind that sessions have ended that were opened earlier.

    Args:
        marks: By which they are found, see `session_id.mark_of`.
        before: A time in seconds since the epoch.

    Raises:
        ServiceAway: The cache does not take it.
    """

    def note(cache: BaseCache) -> None:
        found = cache.get_many(list(map(_ends_of, marks)))
        for key in map(_ends_of, marks):
            # Several workers may note one that came before another.
            latest = max(before, found.get(key, before))
            cache.set(key, latest, timeout=mcp_settings.SESSION_MAX_AGE)

    await _cache().ask(note)


def _ends_of(mark: str) -> str:
    return f"mcp_django:ended-before:{mark}"


async def has_ended(session: HTTPSession) -> bool:
    """Look up whether a session has ended, by itself or with others.

    Raises:
        ServiceAway: The cache does not say.
    """
    key = _key(session.key, _ENDED)
    befores = list(map(_ends_of, session.all_marks))
    found = await _cache().ask(lambda cache: cache.get_many([key, *befores]))
    return key in found or any(
        session.created <= found[before] for before in befores if before in found
    )


def _cache() -> SiteCache:
    return cache_of(mcp_settings.CACHE)


def _key(session_key: str, what: str) -> str:
    return f"mcp_django:{session_key}:{what}"


def _listed(number: int) -> str:
    return f"subscription:{number}"


def _readable(uri: str) -> str:
    return f"readable:{_digest(uri)}"


def _wish(topic: Topic, subject: str) -> str:
    return f"{topic}:{_digest(subject)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
