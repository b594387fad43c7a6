"""What is the same for the tokens of every issuer, whatever kind they are of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from mcp_django.auth.bearer import bearer_token_of
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.oauth.authenticators.claims import (
    Claims,
    audiences_of,
    is_bound_to_key,
    moment_of,
    program_of,
    refused,
    scopes_of,
)
from mcp_django.oauth.authenticators.discovery import check_url
from mcp_django.oauth.authenticators.users import check_field, find_active_user
from mcp_django.oauth.resources import resource_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = FaultLog("mcp_django.oauth")

_SHARE_OF_TIMEOUT = 0.8
"""Of `AUTHENTICATION_TIMEOUT`, after which it is not the issuer that is away."""


@dataclass(frozen=True, slots=True)
class BearerText:
    """The text of a token, which no log line shows."""

    text: str = field(repr=False)


class IssuerAuthenticator(Authenticator):
    """Vouches for users by the tokens of an authorization server that is not this site.

    Not for use by itself: see `jwt` and `introspection`.
    """

    issuer: ClassVar[str] = ""
    """The authorization server's name, to the last slash: an https URL, under which it
    publishes its metadata. Clients are sent there to log in."""

    audience_names: ClassVar[Mapping[str, str]] = {}
    """How the issuer names endpoints, where it cannot name them by their URLs: URL of
    the endpoint to what stands in the claim `aud`, such as an application's id."""

    user_claim: ClassVar[str] = "sub"
    """The claim that names the user. "email" counts only where `email_verified` is
    true."""

    user_field: ClassVar[str] = ""
    """The field of the user model that has what the claim says, such as
    "profile__employee_id". If it is "": `USERNAME_FIELD`, or with "email"
    `EMAIL_FIELD`."""

    timeout: ClassVar[float] = 3.0
    """Seconds that the issuer may take to answer; at most four fifths of
    `MCP["AUTHENTICATION_TIMEOUT"]`."""

    def __init__(self) -> None:
        named = type(self).__qualname__
        check_url(self.issuer, f"{named}.issuer")
        check_field(self.user_field)
        if isinstance(self.audience_names, str):
            raise ImproperlyConfigured(
                f"{named}.audience_names must map URLs of endpoints to names, not be "
                f"{self.audience_names!r}"
            )
        self._service = Service(
            f"the issuer {self.issuer!r}",
            "its tokens are refused",
            timeout=lambda: self._seconds,
            shown_as="the authorization server",
            logger=logger,
        )

    def authorization_servers(self, request: HttpRequest) -> Sequence[str]:
        """Give the issuers whose tokens are taken, for the metadata of the endpoint.

        Spec: RFC 9728, section 2, "authorization_servers".
        """
        return (self.issuer,)

    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        """Ask for a bearer token, and say if the one that came is no good."""
        return bearer_challenge(failure, realm="mcp")

    def find_user(self, claims: Claims) -> AbstractBaseUser | None:
        """Say whom a token stands for; called in a thread, may use the ORM.

        It is the one active user whose `user_field` has what `user_claim` says.
        Override it for anything else, such as to create users.

        Args:
            claims: Of a token that is good for this endpoint.

        Returns:
            The user; None if the site has none.

        Raises:
            AuthenticationFailed: Why it has none.
        """
        return find_active_user(claims, self.user_claim, self.user_field)

    def find_scopes(self, claims: Claims) -> frozenset[str]:
        """Say what a token allows: the claim `scope`, or else `scp`.

        Override it where the issuer says so in another way, such as by roles.

        Raises:
            AuthenticationFailed: The claims say nothing of the kind.
        """
        return scopes_of(claims)

    # It may have to ask the issuer, and then no thread shall wait for that.
    async def authenticate(  # type: ignore[override]  # either is awaited
        self, request: HttpRequest
    ) -> Identity | None:
        """Find out whom the bearer token of a request stands for.

        Returns:
            The identity; None if there is no token, or it is another issuer's.

        Raises:
            AuthenticationFailed: The token is malformed, expired or revoked, for
                another endpoint, or of no active user of the site.
            ServiceAway: The issuer does not answer.
        """
        text = bearer_token_of(request)
        claims = None if text is None else await self._claims(text, is_again=False)
        if text is None or claims is None:
            return None
        if is_bound_to_key(claims):
            raise refused("the token is bound to a key, and came without proof of it")
        self._check_audience(request, claims)
        user = await sync_to_async(self._user)(claims)
        return Identity(
            user,
            self,
            BearerText(text),
            moment_of(claims, "exp"),
            self.find_scopes(claims),
            f"OAuth token of {self.issuer}",
            program_of(claims),
        )

    async def is_still_valid(  # type: ignore[override]  # either is awaited
        self, identity: Identity
    ) -> bool:
        """Say whether the token would still be taken, for the same user and scopes."""
        assert isinstance(identity.credential, BearerText)
        try:
            claims = await self._claims(identity.credential.text, is_again=True)
            if claims is None or self.find_scopes(claims) != identity.scopes:
                return False
            user = await sync_to_async(self._user)(claims)
        except AuthenticationFailed as failure:
            logger.info("a token is no longer good: %s", failure)
            return False
        return bool(user.pk == identity.user.pk)

    @property
    def _seconds(self) -> float:
        return min(
            self.timeout, _SHARE_OF_TIMEOUT * mcp_settings.AUTHENTICATION_TIMEOUT
        )

    @abstractmethod
    async def _claims(self, text: str, *, is_again: bool) -> Claims | None:
        """Give what a token says, once it is known to be good; None if it is not ours.

        Args:
            text: The token.
            is_again: Whether it was found to be good before.

        Raises:
            AuthenticationFailed: It is no good.
            ServiceAway: The issuer does not answer.
        """

    def _check_audience(self, request: HttpRequest, claims: Claims) -> None:
        resource = resource_of(request)
        if resource is None:
            raise refused("there is no MCP endpoint at the URL of the request")
        audiences = audiences_of(claims)
        if not audiences:
            raise refused(
                "the token has no audience; let the issuer write "
                f"{resource.url!r} into the claim 'aud'",
                "the token does not say that it is for this server",
            )
        names = {
            name for url, name in self.audience_names.items() if resource.accepts([url])
        }
        if names.isdisjoint(audiences) and not resource.accepts(audiences):
            raise refused(
                f"the token is for {', '.join(map(repr, audiences[:5])):.500}, not for "
                f"{resource.url!r}",
                "the token is for another server",
            )

    def _user(self, claims: Claims) -> AbstractBaseUser:
        user = self.find_user(claims)
        if user is None:
            raise refused(
                "find_user() knows no user for the token",
                "the site has no account for the user of this token",
            )
        if not getattr(user, "is_active", True):
            raise refused(f"the token is of the inactive user {user.pk!r}")
        return user
