"""What entitles a program to a token when no user logs in.

Spec: RFC 6749, section 4.4; RFC 7523, section 2.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

GetAssertion: TypeAlias = Callable[[str, str], Awaitable[str]]
"""Gives a JWT; called with the issuer that it is for, and the URL of the resource."""


class Grant(ABC):
    """What to show an authorization server in place of a user's consent."""

    @abstractmethod
    async def form(self, issuer: str, resource: str) -> Mapping[str, str]:
        """Give `grant_type`, and what goes with it, for one request.

        Args:
            issuer: Of the authorization server that is asked.
            resource: What the token is for.
        """


class ClientCredentials(Grant):
    """The program acts for itself, and proves who it is by its own credentials.

    Spec: the extension `io.modelcontextprotocol/oauth-client-credentials`.
    """

    async def form(self, issuer: str, resource: str) -> Mapping[str, str]:
        """Say so."""
        return {"grant_type": "client_credentials"}


class Assertion(Grant):
    """The program shows a JWT of one that the authorization server trusts.

    That is an identity provider, for a user (enterprise-managed authorization), or the
    platform that the program runs on (workload identity federation).

    Args:
        get: Gives the JWT, anew each time.
    """

    def __init__(self, get: GetAssertion) -> None:
        self._get = get

    async def form(self, issuer: str, resource: str) -> Mapping[str, str]:
        """Get a JWT, and show it."""
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": await self._get(issuer, resource),
        }
