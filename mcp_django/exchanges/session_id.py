"""Legacy sessions over Streamable HTTP: what their ids say.

The `Mcp-Session-Id` is a sealed text of what `initialize` settled, so that nothing is
kept for a session without a stream, and any worker takes any request. What a client
changes later is in the cache, see `session_state`.

Spec: 2025-11-25 basic/transports, "Session Management".
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

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

from mcp_django.auth.interface import Identity
from mcp_django.conf import mcp_settings
from mcp_django.protocol import versions
from mcp_django.protocol.events import Peer
from mcp_django.signing import seal, unseal
from mcp_django.worker.operator_ends import By, Ended

MAX_CHARACTERS: Final = 1024
"""Longest session id that is made or read."""

_KIND: Final = "http-session"
_KEY_BYTES: Final = 16
_MARK_BYTES: Final = 6
_MAX_NAME_CHARACTERS: Final = 64
_MAX_NAME_BYTES: Final = 120


@dataclass(frozen=True, slots=True)
class HTTPSession:
    """What a session id says.

    Attributes:
        key: Names the session; no two have the same.
        server_name: The server that opened it.
        owner: Whose it is; "" if no user's.
        peer: Version, client and capabilities that `initialize` settled.
        created: When it was opened, in seconds since the epoch; to the millisecond, so
            that one opened just after all others were ended is not among them.
        fingerprint: What the server's lists were like when its client last sent
            `initialize`; "" if unknown.
        marks: What the credential that opened it is found by, when it is ended.
    """

    key: str
    server_name: str
    owner: str
    peer: Peer
    created: float
    fingerprint: str = ""
    marks: tuple[str, ...] = ()

    @property
    def all_marks(self) -> tuple[str, ...]:
        """By what it is found when all of a user, a credential or a program end."""
        return mark_of("all", ""), mark_of("user", self.owner), *self.marks

    def is_ended_by(self, ended: Ended) -> bool:
        """Say whether an operator meant this one, among others."""
        marks = {mark_of(ended.by, name) for name in ended.names}
        return self.created <= ended.before and not marks.isdisjoint(self.all_marks)

    @property
    def expires(self) -> float:
        """When it ends by itself, in seconds since the epoch."""
        return self.created + mcp_settings.SESSION_MAX_AGE

    @property
    def rest(self) -> float:
        """For how many seconds it can still be used."""
        return self.expires - time.time()

    @property
    def primes_streams(self) -> bool:
        """Whether its client knows events without data; older ones fail at them.

        Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
        """
        return self.peer.version in versions.EMPTY_EVENTS

    def is_of(self, peer: Peer) -> bool:
        """Say whether a peer is the one that opened it, as far as its id tells."""
        return self.peer == _remembered(
            peer.version,
            _flags_of(peer.client_capabilities),
            _cut(peer.client_info.name),
            _cut(peer.client_info.version),
        )


@lru_cache(maxsize=1024)
def mark_of(by: By, name: str) -> str:
    """Give what stands for a user, a credential or a program in session ids.

    It is short, and not made with a key: ids outlive keys that are rotated. Which
    token a session was opened with is nothing that its client does not know.

    Args:
        by: What it is.
        name: The user's primary key, the credential's label or the program's name.
    """
    digest = hashlib.sha256(f"{by}:{name}".encode(errors="surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest[:_MARK_BYTES]).decode()


def marks_of(identity: Identity) -> tuple[str, ...]:
    """Give the marks of a session that a credential opens; its user is in the id."""
    names: Sequence[tuple[By, str]] = (
        ("credential", identity.label),
        ("program", identity.program),
    )
    return tuple(mark_of(by, name) for by, name in names if name)


def make_session_id(
    server_name: str,
    owner: str,
    peer: Peer,
    fingerprint: str = "",
    marks: tuple[str, ...] = (),
) -> str:
    """Make the id of a new session: visible ASCII, at most `MAX_CHARACTERS`."""
    # Rounded down: what is ended a moment later was opened before.
    key, now = secrets.token_urlsafe(_KEY_BYTES), math.floor(time.time() * 1000) / 1000
    return _id_of(HTTPSession(key, server_name, owner, peer, now, fingerprint, marks))


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
            session.marks,
        ],
    )


def session_in(
    headers: Mapping[str, str], server_name: str, owner: str
) -> HTTPSession | None:
    """Read which session the headers of a request name; it may have been ended.

    Args:
        headers: HTTP headers, names in lower case.
        server_name: Of the server that was asked.
        owner: Names the user who asks; "" for none.

    Returns:
        The session; None unless it is of this server, and this user's.
    """
    id = headers.get("mcp-session-id")
    session = None if id is None else read_session_id(id)
    if session is None or session.server_name != server_name or session.owner != owner:
        return None
    return session


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
            marks,
        ) = unseal(_KIND, text)
    except ValueError:
        return None
    if version not in versions.LEGACY:
        return None
    peer = _remembered(version, flags, name, client_version)
    return HTTPSession(
        key, server_name, owner, peer, created, fingerprint, tuple(marks)
    )


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
