"""How each era wants to be answered, an object for each.

Handlers give what the newest version has; what answers a request goes by its era. What
differs from version to version within an era is in `versions`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django.protocol import error_codes, versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.methods import MAY_ASK


class Era(ABC):
    """How one era wants to be answered.

    Attributes:
        has_sessions: Whether what a client sets holds for its later requests.
        asks_in_results: Whether the client is asked by the result of its request, and
            sends that again with its answers. Else it is asked by requests of the
            server, and its own waits for them.
        signs_results: Whether each result says of which type it is, and which server
            made it.
        names_missing_capabilities: Whether an error of its own says what the client
            lacks.
        resource_not_found: Code of the error for a resource that there is not.
    """

    has_sessions: ClassVar[bool]
    asks_in_results: ClassVar[bool]
    signs_results: ClassVar[bool]
    names_missing_capabilities: ClassVar[bool]
    resource_not_found: ClassVar[int]

    @abstractmethod
    def may_ask(self, method: str) -> bool:
        """Say whether the handler of a request may ask the client."""

    @abstractmethod
    def error_code(self, code: int) -> int:
        """Give the code that the era has for an error of any version."""

    @abstractmethod
    def with_hints(
        self, result: JSONObject, *, ttl_ms: int, scope: Literal["private", "public"]
    ) -> JSONObject:
        """Say in a result how long, and for whom, the client may keep it."""


class LegacyEra(Era):
    """A session, in which the server may send requests."""

    has_sessions = True
    asks_in_results = False
    signs_results = False
    names_missing_capabilities = False
    resource_not_found = error_codes.RESOURCE_NOT_FOUND

    def may_ask(self, method: str) -> bool:
        """Say that it may, whatever it answers."""
        return True

    def error_code(self, code: int) -> int:
        """Give the code as it is."""
        return code

    def with_hints(
        self, result: JSONObject, *, ttl_ms: int, scope: Literal["private", "public"]
    ) -> JSONObject:
        """Give the result as it is: there are no words for it."""
        return result


class ModernEra(Era):
    """Requests that stand for themselves, and results that say all."""

    has_sessions = False
    asks_in_results = True
    signs_results = True
    names_missing_capabilities = True
    resource_not_found = INVALID_PARAMS

    def may_ask(self, method: str) -> bool:
        """Say whether its result may be questions."""
        return method in MAY_ASK

    def error_code(self, code: int) -> int:
        """Give the code, or another one for those that this era does not have."""
        return error_codes.in_modern_era(code)

    def with_hints(
        self, result: JSONObject, *, ttl_ms: int, scope: Literal["private", "public"]
    ) -> JSONObject:
        """Add the hints.

        Spec: 2026-07-28 server/utilities/caching.
        """
        return {**result, "ttlMs": ttl_ms, "cacheScope": scope}


LEGACY: Final = LegacyEra()
MODERN: Final = ModernEra()

ERAS: Final[Mapping[str, Era]] = {
    **dict.fromkeys(versions.LEGACY, LEGACY),
    **dict.fromkeys(versions.MODERN, MODERN),
}
"""Version -> its era."""
