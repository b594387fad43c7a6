"""The interface between MCP endpoints and whatever knows the site's users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from django.http import HttpRequest
from django.utils.functional import LazyObject, cached_property

from mcp_django.exceptions import AuthenticationFailed

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    User: TypeAlias = AbstractBaseUser | AnonymousUser
else:
    # Importing models needs the app registry; importing mcp_django must not. A type
    # and no text, so that `User | None` can be evaluated.
    User = Any


@dataclass(frozen=True)
class Identity:
    """A user, and the credential that proved it.

    Attributes:
        user: The site's user, who may be a lazy one such as `request.user`;
            `AnonymousUser` where authentication is switched off.
        authenticator: Vouches for the user; None where authentication is switched off.
        credential: What `Authenticator.is_still_valid` needs to look at the
            credential again, such as a token's primary key. Never logged.
        expires_at: When the credential ends by itself, as `timezone.now()` gives
            times; None if that is not known. It is kept no longer.
        scopes: What the credential allows of what its user may do; None for all of it,
            as with a login session. One of OAuth always has some, or the empty set.
        label: How an administrator finds the credential again, such as "token 7"; no
            secret. What it opened is ended by it.
        program: The program that has it, where that is known: its client id at the
            issuer, or "application 7", by primary key, at the site itself.
    """

    user: User
    authenticator: Authenticator | None = None
    credential: Hashable = None
    expires_at: datetime | None = field(default=None, compare=False)
    scopes: frozenset[str] | None = None
    label: str = field(default="", compare=False)
    program: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.user is None:
            raise ValueError(
                "an Identity needs a user; without one, return None from authenticate()"
            )
        if self.scopes is not None and not isinstance(self.scopes, frozenset):
            raise ValueError(
                "scopes of an Identity must be a frozenset of names, or None for "
                f"everything, not {self.scopes!r}"
            )

    @cached_property
    def owner(self) -> str:
        """What the user's sessions and requests are kept by."""
        return owner_of(self.user)


def user_behind(user: User) -> User:
    """Give the user itself in place of a lazy one; that may ask the database."""
    while isinstance(user, LazyObject):
        bool(user)  # Reads it; else a copy would be as lazy.
        user = copy(user)
    return user


def owner_of(user: User | None) -> str:
    """Give what a user's sessions and requests are kept by: the primary key as text.

    It is "" for no user and for an anonymous one.
    """
    return "" if user is None or user.pk is None else str(user.pk)


@cache
def anonymous() -> Identity:
    """Give the identity of every client where authentication is switched off."""
    # Importing models needs the app registry, and asgi.py imports us before it is up.
    from django.contrib.auth.models import AnonymousUser

    return Identity(AnonymousUser())


class Authenticator(ABC):
    """Turns the credentials of an HTTP request into an `Identity`.

    Name subclasses by dotted path in `MCP["AUTHENTICATION"]`; each is created once
    per process, without arguments. All methods are called in a thread of a pool
    kept for authentication, may use the ORM, and may run concurrently. The two
    that decide may be `async def`: what they return is awaited in the event loop.
    """

    def _challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        return ""

    challenge: ClassVar[
        str | Callable[[Any, HttpRequest, AuthenticationFailed | None], str]
    ] = _challenge
    """What `WWW-Authenticate` says in a 401; RFC 9110, 11.6.1. Empty where HTTP has no
    scheme for it.

    A method `challenge(request, failure)`, where `failure` says what was wrong with the
    credential of this kind, None if the request has none; `auth.challenges` helps to
    write it. Or a text, such as "Bearer", to which a failure is added by itself."""

    uses_cookies: ClassVar[bool] = False
    """Whether browsers attach the credential by themselves. If so, the gate refuses
    requests that a foreign page could have made."""

    credential_header: ClassVar[str | None] = None
    """The one header that decides: for the same value of it `authenticate` gives the
    same identity again, whatever else is in a request. Then the identity may be kept
    for `MCP["CREDENTIAL_CACHE_SECONDS"]`, unless browsers attach the credential by
    themselves. None if more decides, or if each request has to be looked at.

    A class that overrides `authenticate` has to say so itself, too. What ends a
    credential sooner is told by `mcp_django.signals.credentials_changed`."""

    @abstractmethod
    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Say which user sent a request.

        Args:
            request: The request without its body; `COOKIES`, `headers` and `META`
                are complete.

        Returns:
            The identity, or None if the request has no credential of this kind.

        Raises:
            AuthenticationFailed: There is a credential of this kind, and it is
                wrong, expired or revoked, or its user is inactive.
        """

    @abstractmethod
    def is_still_valid(self, identity: Identity) -> bool:
        """Say whether an identity that was found earlier would be found again now.

        Called at least every minute for each open stream.
        """
