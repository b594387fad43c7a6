"""The keys by which an issuer signs, kept for a while.

Spec: RFC 7517, section 5; RFC 8725, sections 3.1 and 3.5.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from mcp_django.bulkheads.services import Service
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.oauth.authenticators.fetching import FetchFailed, begin
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.client.extras import brought_by

with brought_by("issuers"):
    import jwt

FRESH_SECONDS: Final = 600.0
"""After which the keys are fetched again: one that was withdrawn counts no longer."""

STALE_SECONDS: Final = 3600.0
"""For which keys count while the issuer does not answer. Its tokens have ended then."""

MISS_SECONDS: Final = 10.0
"""Between two fetches because of tokens of unknown keys: any client can send them."""

_MAX_KEYS: Final = 100
_TRIED_KEYS: Final = 8

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class SigningKeys:
    """Gives the keys that may have signed a token, and fetches them when that is due.

    One fetch at a time, whatever asks. Keys that were fetched before count for an hour
    if the issuer does not answer.

    Args:
        fetch: Fetches the issuer's key set, in the event loop that fetches.
        service: What the issuer is waited for by.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[JSONObject]],
        service: Service,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._service = service
        self._clock = clock
        self._lock = threading.Lock()
        self._fetching: Future[None] | None = None
        self._keys = KeySet(())
        self._fetched_at = self._tried_at = self._failed_at = -math.inf

    async def find(self, kid: str | None, algorithm: str) -> Sequence[jwt.PyJWK]:
        """Give the keys of an id that fit an algorithm; of any id if there is none.

        Raises:
            ServiceAway: There are no keys, and the issuer does not answer.
        """
        age = self._clock() - self._fetched_at
        if age > FRESH_SECONDS:
            try:
                await self._refresh()
            except ServiceAway:
                if age > STALE_SECONDS:
                    raise
        found = self._keys.matching(kid, algorithm)
        if not found and self._may_miss():
            # The issuer may have a new key.
            await self._refresh()
            found = self._keys.matching(kid, algorithm)
        return found

    def _may_miss(self) -> bool:
        with self._lock:
            is_fetching = self._fetching is not None and not self._fetching.done()
        return is_fetching or self._clock() - self._tried_at > MISS_SECONDS

    async def _refresh(self) -> None:
        if self._clock() - self._failed_at < mcp_settings.AWAY_SECONDS:
            raise self._service.refusal()
        await self._service.ask(self._fetched)

    async def _fetched(self) -> None:
        with self._lock:
            fetching = self._fetching
            if fetching is None or fetching.done():
                self._tried_at = self._clock()
                fetching = self._fetching = begin(self._fetch_keys)
        # What is given up here goes on for the others.
        await asyncio.shield(asyncio.wrap_future(fetching))

    async def _fetch_keys(self) -> None:
        try:
            keys = KeySet(_usable((await self._fetch()).get("keys")))
        except Exception:
            self._failed_at = self._clock()
            raise
        self._keys = keys
        self._fetched_at = self._clock()


class KeySet:
    """The keys that were fetched at one time.

    Args:
        keys: As the issuer publishes them.
    """

    def __init__(self, keys: Sequence[JSONObject]) -> None:
        self.keys = keys
        # By place and algorithm; None for a key that is none for that.
        self._made: dict[tuple[int, str], jwt.PyJWK | None] = {}

    def matching(self, kid: str | None, algorithm: str) -> Sequence[jwt.PyJWK]:
        """Give the keys of an id that fit an algorithm; of any id if there is none."""
        found = []
        for number, key in enumerate(self.keys):
            if kid is not None and key.get("kid") != kid:
                continue
            if key.get("alg") not in (None, algorithm):
                continue
            if (number, algorithm) not in self._made:
                self._made[number, algorithm] = _made(key, algorithm)
            one = self._made[number, algorithm]
            if one is not None:
                found.append(one)
        return found[:_TRIED_KEYS]


def _usable(given: Any) -> Sequence[JSONObject]:
    """Give the keys of a set that may verify what was signed.

    Raises:
        FetchFailed: There are none.
    """
    listed = given if isinstance(given, list) else []
    keys = [
        # Of a key that was published whole, only what is public counts.
        {name: value for name, value in key.items() if name not in _PRIVATE}
        for key in listed[:_MAX_KEYS]
        if isinstance(key, dict) and _may_verify(key)
    ]
    if not keys:
        raise FetchFailed("the issuer's key set has no key that verifies signatures")
    return keys


def _may_verify(key: JSONObject) -> bool:
    # A symmetric key that all can read proves nothing.
    if key.get("kty") not in ("RSA", "EC", "OKP"):
        return False
    operations = key.get("key_ops")
    if isinstance(operations, list) and "verify" not in operations:
        return False
    return key.get("use") in (None, "sig")


def _made(key: JSONObject, algorithm: str) -> jwt.PyJWK | None:
    """Make a key for an algorithm; None if it is none for that, or too short."""
    try:
        made = jwt.PyJWK(key, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    # Spec: RFC 7518, section 3.3: RSA keys have 2048 bits or more.
    return None if made.Algorithm.check_key_length(made.key) else made
