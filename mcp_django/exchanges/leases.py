"""Leases: what says in the event store that a worker lives.

A client that comes back for a call reads the event store, and the call may run in
another worker. Whether that one still works on it is seen from a key that it renews.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.event_keys import lease_key
from mcp_django.worker.caches import event_cache
from mcp_django.worker.tasks import Start

LEASE_SECONDS: Final = 10.0
"""For as long the key is kept."""

_RENEWAL_SECONDS: Final = 3.0
_DOUBT_SECONDS: Final = LEASE_SECONDS - 1.0
_GRACE_SECONDS: Final = 3.0


class Lease:
    """The key of one worker; it is renewed while a call may be come back for.

    Args:
        start: Runs a coroutine in a task that the worker holds.
        clock: Gives the time in seconds; never goes back, nor stands still while the
            process is stopped.

    Attributes:
        name: Names the worker.
    """

    def __init__(
        self,
        start: Start,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = secrets.token_urlsafe(9)
        self._start = start
        self._clock = clock
        self._renewed_at = -math.inf
        self._absent = -math.inf, -math.inf  # from when until when, the last time
        self._is_renewing = False

    def renew(self) -> None:
        """Renew it soon, if that is due. To be called every second; waits for none."""
        is_due = self._clock() - self._renewed_at >= _RENEWAL_SECONDS
        if is_due and not self._is_renewing:
            self._is_renewing = True
            self._start(self._renew())

    async def _renew(self) -> None:
        now, key = self._clock(), lease_key(self.name)
        try:
            with suppress(ServiceAway):
                await event_cache().ask(lambda cache: cache.set(key, 1, LEASE_SECONDS))
                lapsed_at = self._renewed_at + _DOUBT_SECONDS
                if now > lapsed_at:
                    self._absent = lapsed_at, self._clock()
                self._renewed_at = now
        finally:
            self._is_renewing = False

    @property
    def is_held(self) -> bool:
        """Whether others see it now."""
        return self._clock() - self._renewed_at <= _DOUBT_SECONDS

    def may_have_lapsed(self, since: float) -> bool:
        """Say whether others may take this worker for gone that looked since then."""
        absent_from, absent_until = self._absent
        return (
            absent_from > since
            or absent_until - since > _DOUBT_SECONDS
            or self._clock() - max(since, self._renewed_at) > _DOUBT_SECONDS
        )


class Watch:
    """Judges from many looks at a lease whether its worker is gone.

    A lease that is not there says little when it is first looked at: a cache that was
    away may have lost all of them, and needs some seconds to get them again.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._was_seen = False
        self._missing_since: float | None = None

    def is_gone(self, *, is_leased: bool) -> bool:
        """Take one look, and say whether the worker is gone."""
        if is_leased:
            self._was_seen, self._missing_since = True, None
            return False
        now = self._clock()
        if self._missing_since is None:
            self._missing_since = now
        grace = _GRACE_SECONDS if self._was_seen else LEASE_SECONDS
        return now - self._missing_since >= grace
