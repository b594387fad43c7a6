"""How long, and for which users, clients may keep what they were answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.declarations import MAX_WHOLE
from mcp_django.server.requests import Request

CacheScope: TypeAlias = Literal["private", "public"]


@dataclass(frozen=True, slots=True)
class CacheHints:
    """How long a client may keep what it was answered, and for which users.

    Attributes:
        ttl_ms: Milliseconds for which it may be taken as fresh.
        scope: "private" for its user alone, "public" for all.

    Raises:
        ValueError: There is no such time or scope.

    Spec: 2026-07-28 server/utilities/caching.
    """

    ttl_ms: int
    scope: CacheScope

    def __post_init__(self) -> None:
        is_whole = isinstance(self.ttl_ms, int) and not isinstance(self.ttl_ms, bool)
        if not is_whole or self.ttl_ms < 0:
            raise ValueError(
                f"ttl_ms must be a whole number of 0 or more milliseconds, not "
                f"{self.ttl_ms!r}"
            )
        if self.ttl_ms > MAX_WHOLE:
            raise ValueError(f"ttl_ms must be at most {MAX_WHOLE}, not {self.ttl_ms!r}")
        if self.scope not in ("private", "public"):
            raise ValueError(
                f"cache_scope must be 'private' or 'public', not {self.scope!r}"
            )

    def check_text(self, what: str, *, is_lazy: bool) -> None:
        """Refuse to share with all users what is in the language of one.

        Raises:
            ValueError: The scope is public, and the text is lazy.
        """
        if self.scope == "public" and is_lazy:
            raise ValueError(
                f"{what} has lazy text, and cache_scope='public' would let caches "
                "show one user's language to all users; leave one of the two out"
            )

    def check_limits(self, feature: str, **limits: object) -> None:
        """Refuse to share with all users what only some may see or use.

        Args:
            feature: For messages, such as "resource 'shop://orders'".
            limits: What it needs, by its name, such as `permission`; None for nothing.

        Raises:
            ValueError: The scope is public, and there is a limit.
        """
        needed = next((what for what, limit in limits.items() if limit is not None), "")
        if self.scope == "public" and needed:
            raise ValueError(
                f"{feature} needs a {needed}, and cache_scope='public' would let "
                "caches show it to all users; leave one of the two out"
            )


NEVER_CACHE = CacheHints(0, "private")


def with_hints(request: Request, result: JSONObject, hints: CacheHints) -> JSONObject:
    """Say how long the client may keep a result, where the era has words for it.

    Spec: 2026-07-28 server/utilities/caching; what a retry made must not be kept.
    """
    if request.is_retry:
        hints = NEVER_CACHE
    return request.era.with_hints(result, ttl_ms=hints.ttl_ms, scope=hints.scope)
