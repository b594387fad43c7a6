"""Results that a client may use again: what the server says of how long they hold.

Spec: 2026-07-28 server/utilities/caching.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final, TypeGuard

from pydantic_core import to_json

from mcp_django.protocol import methods
from mcp_django.protocol.jsonrpc import JSON, JSONObject, stand_in
from mcp_django.protocol.uris import MAX_CHARACTERS, fold, normalize

_UPDATED: Final = "notifications/resources/updated"

_LONGEST_TTL_MS: Final = 365 * 24 * 3600 * 1000
"""A year; what is longer may be too large a number to reckon with."""


class ResultCache:
    """Keeps results of one client for as long as their server allows.

    It belongs to one set of credentials, so that `cacheScope` makes no difference.

    Args:
        max_results: Results to keep at most; those not used for longest go first.
    """

    def __init__(self, max_results: int = 200) -> None:
        self._max_results = max_results
        # (method, params) -> (when it goes stale in seconds, result, what was read).
        self._kept: OrderedDict[tuple[str, bytes], tuple[float, JSONObject, str]] = (
            OrderedDict()
        )
        # How often results of each method were forgotten.
        self._forgotten: Counter[str] = Counter()

    def get(self, method: str, params: JSONObject, now: float) -> JSONObject | None:
        """Give a result that is still fresh; None if there is none."""
        key = _key(method, params)
        stale_at, result, _ = self._kept.get(key, (now, None, ""))
        if result is None or now >= stale_at:
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return result

    def mark(self, method: str) -> int:
        """Note that a result is asked for now; give the mark to `put`."""
        return self._forgotten[method]

    def put(
        self,
        method: str,
        params: JSONObject,
        result: JSONObject,
        now: float,
        *,
        mark: int,
    ) -> None:
        """Keep a result that came now, if it may be kept.

        Results of a second round are none of those: never give them here.

        Args:
            method: Such as "tools/list".
            params: As they were sent.
            result: As it came.
            now: Seconds, by the clock of `get`.
            mark: Of when it was asked for. If results of the method were forgotten
                since then, this one may be older than the change, and is not kept.
        """
        ttl_ms = result.get("ttlMs")
        if method not in methods.KEPT or not isinstance(ttl_ms, int) or ttl_ms <= 0:
            return
        if mark != self._forgotten[method]:
            return
        key = _key(method, params)
        stale_at = now + min(ttl_ms, _LONGEST_TTL_MS) / 1000
        self._kept[key] = stale_at, result, _fold(params.get("uri"))
        self._kept.move_to_end(key)
        while len(self._kept) > self._max_results:
            self._kept.popitem(last=False)

    def forget_changed(self, method: str, params: JSONObject) -> None:
        """Forget what a notification says has changed.

        Spec: 2026-07-28 server/utilities/caching, "Interaction with Notifications".
        """
        if method == _UPDATED:
            self._forgotten["resources/read"] += 1
            updated = _fold(params.get("uri"))
            for key in [
                key
                for key, (_, _, uri) in self._kept.items()
                if key[0] == "resources/read" and uri == updated
            ]:
                del self._kept[key]
            return
        for name, listed in methods.LISTS.items():
            if listed.change == method:
                self.forget(name)

    def forget(self, method: str) -> None:
        """Forget all results of a method, such as all pages of a list."""
        self._forgotten[method] += 1
        for key in [key for key in self._kept if key[0] == method]:
            del self._kept[key]


def _key(method: str, params: JSONObject) -> tuple[str, bytes]:
    uri = params.get("uri")
    if method == "resources/read" and _is_uri(uri):
        # Only what is the same in every scheme: another resource must not be shown.
        params = {**params, "uri": normalize(uri)}
    return method, to_json(params, fallback=stand_in)


def _fold(uri: JSON) -> str:
    """Write a URI so that whatever may be the same is: to forget too much is safe."""
    return fold(uri) if _is_uri(uri) else str(uri)


def _is_uri(uri: JSON) -> TypeGuard[str]:
    return isinstance(uri, str) and len(uri) <= MAX_CHARACTERS
