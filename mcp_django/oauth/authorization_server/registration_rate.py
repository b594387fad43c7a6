"""How many clients each source registers in a minute, counted in the cache."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final

from django.core.cache import caches

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.oauth.authorization_server.client_metadata import ClientRefused

logger = FaultLog("mcp_django.oauth")

_MINUTE: Final = 60


def count_client(
    source: str, per_minute: int, *, clock: Callable[[], float] = time.time
) -> None:
    """Count a new client of a source.

    Where the cache is away nothing is counted: the table of clients is bounded anyway.

    Args:
        source: Whom it counts for.
        per_minute: How many are allowed.
        clock: Gives the time in seconds, the same for all processes.

    Raises:
        ClientRefused: They have been too many in this minute.
    """
    minute, passed = divmod(clock(), _MINUTE)
    digest = hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:32]
    if _increase(f"mcp_django.clients.{int(minute)}.{digest}") > per_minute:
        raise ClientRefused(
            "too many programs have registered from there; try again in a minute",
            error="temporarily_unavailable",
            status=429,
            retry_after=max(1, round(_MINUTE - passed)),
        )


def _increase(key: str) -> int:
    cache = caches[mcp_settings.CACHE]
    try:
        cache.add(key, 0, timeout=2 * _MINUTE)
        return cache.incr(key)
    except Exception as error:  # Whatever the cache's library raises.
        logger.warning(
            "cannot count clients that register, so that they are not "
            "bounded; look at the cache: %r",
            error,
        )
        return 0
