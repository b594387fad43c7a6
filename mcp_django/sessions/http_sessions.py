"""Legacy sessions over Streamable HTTP: the id says all, and the cache the little rest.

The `Mcp-Session-Id` is a sealed text of what `initialize` settled, so that nothing is
kept for a session without a stream, and any worker takes any request. What a client
changes later is in the cache `MCP["CACHE"]`, each thing under a key of its own: the log
level, each subscription, and that the session has ended.

Spec: 2025-11-25 basic/transports, "Session Management".
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.cache import BaseCache
from django.core.signals import setting_changed
from django.dispatch import receiver
from mcp_types import (
    ClientCapabilities,
    ElicitationCapability,
    FormElicitationCapability,
    Implementation,
    RootsCapability,
    SamplingCapability,
    SamplingContextCapability,
    SamplingToolsCapability,
    UrlElicitationCapability,
)

from mcp_django.conf import mcp_settings
from mcp_django.protocol import versions
from mcp_django.protocol.events import Peer
from mcp_django.server.notices import Notice, Topic
from mcp_django.server.requests import Request, SessionState
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import check_uri
from mcp_django.sessions.caching import cache_of
from mcp_django.signing import seal, unseal

logger = logging.getLogger("mcp_django.sessions")

MAX_CHARACTERS: Final = 1024
"""Longest session id that is made or read."""

_KIND: Final = "http-session"
_KEY_BYTES: Final = 16
_MAX_NAME_CHARACTERS: Final = 64
_MAX_NAME_BYTES: Final = 120
_DEFAULT_LOG_LEVEL: Final = "info"
_COUNTER: Final = "subscriptions"
_MAX_WRITTEN: Final = 100
"""Ways to write one URI that a session may subscribe to; of more, the newest."""

_MAX_LISTED: Final = 1000
"""Subscriptions of a session that can be listed; of more, the newest."""


@dataclass(frozen=True, slots=True)
class HTTPSession:
    """What a session id says.

    Attributes:
        key: Names the session; no two have the same.
        server_name: The server that opened it.
        owner: Whose it is, "" for nobody's.
        peer: Version, client and capabilities that `initialize` settled.
        created: When it was opened, in seconds since the epoch.
        fingerprint: What the server's lists were like when its client last sent
            `initialize`; "" if unknown.
    """

    key: str
    server_name: str
    owner: str
    peer: Peer
    created: int
    fingerprint: str = ""

    @property
    def expires(self) -> float:
        """When it ends by itself, in seconds since the epoch."""
        return self.created + float(mcp_settings.SESSION_MAX_AGE)

    @property
    def primes_streams(self) -> bool:
        """Whether its client knows events without data; older ones fail at them.

        Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
        """
        return self.peer.version >= "2025-11-25"

    def is_of(self, peer: Peer) -> bool:
        """Say whether a peer is the one that opened it, as far as its id tells."""
        return self.peer == _remembered(
            peer.version,
            _flags_of(peer.client_capabilities),
            _cut(peer.client_info.name),
            _cut(peer.client_info.version),
        )


def make_session_id(
    server_name: str, owner: str, peer: Peer, fingerprint: str = ""
) -> str:
    """Make the id of a new session: visible ASCII, at most `MAX_CHARACTERS`."""
    key = secrets.token_urlsafe(_KEY_BYTES)
    return _id_of(
        HTTPSession(key, server_name, owner, peer, int(time.time()), fingerprint)
    )


def renew_session_id(session: HTTPSession, fingerprint: str) -> str:
    """Make an id of a session that says what its client knows now.

    The older one stays good: both name the same session, for as long.
    """
    return _id_of(replace(session, fingerprint=fingerprint))


def _id_of(session: HTTPSession) -> str:
    peer = session.peer
    return seal(
        _KIND,
        [
            session.key,
            session.server_name,
            session.owner,
            peer.version,
            _flags_of(peer.client_capabilities),
            _cut(peer.client_info.name),
            _cut(peer.client_info.version),
            session.created,
            session.fingerprint,
        ],
    )


def read_session_id(text: str) -> HTTPSession | None:
    """Read an id; None if this site did not make it, or it has expired."""
    session = _read(text) if len(text) <= MAX_CHARACTERS else None
    return session if session is not None and time.time() < session.expires else None


# On the hot path: a session sends many requests, all with the same id.
@lru_cache(maxsize=4096)
def _read(text: str) -> HTTPSession | None:
    try:
        (
            key,
            server_name,
            owner,
            version,
            flags,
            name,
            client_version,
            created,
            fingerprint,
        ) = unseal(_KIND, text)
    except ValueError:
        return None
    if version not in versions.LEGACY:
        return None
    peer = _remembered(version, flags, name, client_version)
    return HTTPSession(key, server_name, owner, peer, created, fingerprint)


def _remembered(version: str, flags: str, name: str, client_version: str) -> Peer:
    """Give what a session id says of its client."""
    info = Implementation(name=name, version=client_version)
    return Peer(version, info, _capabilities_of(flags))


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        _read.cache_clear()


def _cut(text: str) -> str:
    """Shorten a name, so that the id stays short whatever its script."""
    text = text[:_MAX_NAME_CHARACTERS]
    while len(json.dumps(text)) > _MAX_NAME_BYTES:
        text = text[:-1]
    return text


def _flags_of(capabilities: ClientCapabilities) -> str:
    sampling, elicitation = capabilities.sampling, capabilities.elicitation
    flags = {
        "s": sampling is not None,
        "t": sampling is not None and sampling.tools is not None,
        "c": sampling is not None and sampling.context is not None,
        "e": elicitation is not None,
        "f": elicitation is not None and elicitation.form is not None,
        "u": elicitation is not None and elicitation.url is not None,
        "r": capabilities.roots is not None,
        "l": capabilities.roots is not None and capabilities.roots.list_changed is True,
    }
    return "".join(flag for flag, is_set in flags.items() if is_set)


def _capabilities_of(flags: str) -> ClientCapabilities:
    return ClientCapabilities(
        sampling=SamplingCapability(
            tools=SamplingToolsCapability() if "t" in flags else None,
            context=SamplingContextCapability() if "c" in flags else None,
        )
        if "s" in flags
        else None,
        elicitation=ElicitationCapability(
            form=FormElicitationCapability() if "f" in flags else None,
            url=UrlElicitationCapability() if "u" in flags else None,
        )
        if "e" in flags
        else None,
        roots=RootsCapability(list_changed="l" in flags or None)
        if "r" in flags
        else None,
    )


# What is kept ---------------------------------------------------------------------


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
            key = _key(self._session.key, "log-level")
            try:
                self._log_level = await _cache().aget(key, _DEFAULT_LOG_LEVEL)
            except Exception:
                # No reason for a handler to fail, which only has something to say.
                logger.exception("the cache does not say which log messages to send")
                self._log_level = _DEFAULT_LOG_LEVEL
        return self._log_level

    async def set_log_level(self, level: str) -> None:
        """Send log messages of this severity and above from now on."""
        self._log_level = level
        await self._set("log-level", level)

    async def subscribe(self, uri: str, request: Request | None = None) -> None:
        """Tell the client whenever a resource changes; its stream knows its user."""
        check_uri(uri)
        wish = _wish("resource", self._server.resource_keys.of(uri))
        written = await _cache().aget(_key(self._session.key, wish), [])
        if not written:
            await self._add_to_list(wish)
        others = [other for other in written if other != uri]
        await self._set(wish, [*others, uri][-_MAX_WRITTEN:])
        await KeptRights(self._session).put(uri, True)  # who may not was refused

    async def unsubscribe(self, uri: str) -> None:
        """Tell it no longer, in whatever way it wrote the URI when it subscribed."""
        wish = _wish("resource", self._server.resource_keys.of(uri))
        written = await _cache().aget(_key(self._session.key, wish), [])
        others = [other for other in written if other != uri]
        if others and uri in written:
            await self._set(wish, others)
        else:
            await _cache().adelete(_key(self._session.key, wish))

    async def remember_elicitation(self, elicitation_id: str) -> None:
        """Tell the client when a visit to a URL has ended."""
        await self._set(_wish("elicitation", elicitation_id), True)

    async def _add_to_list(self, wish: str) -> None:
        """Let a subscription be found that is not known yet; it may be gone later."""
        counter = _key(self._session.key, _COUNTER)
        rest = self._session.expires - time.time()
        await _cache().aadd(counter, 0, timeout=rest)
        # Not `aincr`, which reads and writes: several workers may count at once.
        number = await sync_to_async(_cache().incr)(counter)
        await _cache().atouch(counter, rest)  # backends that do not count forget it
        await self._set(_listed(number), wish)

    async def _set(self, what: str, value: Any) -> None:
        rest = self._session.expires - time.time()
        await _cache().aset(_key(self._session.key, what), value, timeout=rest)


class KeptRights:
    """What a session was found to be allowed to read, for the time of two rechecks.

    Streams come and go, and rows are deleted of which only this tells whose they were.
    """

    __slots__ = ("_session",)

    def __init__(self, session: HTTPSession) -> None:
        self._session = session

    async def get(self, uri: str) -> bool | None:
        """Say whether it could read a URI, as its client wrote it; None if unknown."""
        found: bool | None = await _cache().aget(self._key_of(uri))
        return found

    async def put(self, uri: str, may: bool) -> None:
        """Keep what was found just now."""
        timeout = 2 * mcp_settings.RECHECK_SECONDS
        await _cache().aset(self._key_of(uri), may, timeout=timeout)

    def _key_of(self, uri: str) -> str:
        return _key(self._session.key, f"readable:{_digest(uri)}")


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
    found = await _cache().aget_many(list(by_cache_key))
    if is_visit:
        # A visit ends once.
        await _cache().adelete_many(list(found))
        return {by_cache_key[cache_key]: [notice] for cache_key in found}
    return {
        by_cache_key[cache_key]: [replace(notice, subject=uri) for uri in written]
        for cache_key, written in found.items()
    }


async def subscriptions_of(session: HTTPSession) -> list[str]:
    """Give the URIs that a session is subscribed to, as its client wrote them."""
    count = await _cache().aget(_key(session.key, _COUNTER), 0)
    numbers = range(max(0, count - _MAX_LISTED) + 1, count + 1)
    wishes = await _read_all(session, [_listed(number) for number in numbers])
    kept = await _read_all(session, list(dict.fromkeys(wishes)))
    return [uri for written in kept for uri in written]


async def _read_all(session: HTTPSession, whats: Sequence[str]) -> list[Any]:
    """Read what is kept of a session, in order, without what there is not."""
    keys = [_key(session.key, what) for what in whats]
    found = await _cache().aget_many(keys) if keys else {}
    return [found[key] for key in keys if key in found]


async def note_end(session: HTTPSession) -> None:
    """Keep in mind that a session has ended, for as long as its id would be good."""
    rest = session.expires - time.time()
    await _cache().aset(_key(session.key, "ended"), True, timeout=rest)


async def has_ended(session: HTTPSession) -> bool:
    """Look up whether a session has ended."""
    return bool(await _cache().aget(_key(session.key, "ended"), False))


def _cache() -> BaseCache:
    return cache_of(mcp_settings.CACHE)


def _key(session_key: str, what: str) -> str:
    return f"mcp_django:{session_key}:{what}"


def _listed(number: int) -> str:
    return f"subscription:{number % _MAX_LISTED}"


def _wish(topic: Topic, subject: str) -> str:
    return f"{topic}:{_digest(subject)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
