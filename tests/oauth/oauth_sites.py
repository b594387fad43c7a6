"""Sites that take tokens of OAuth, in the smallest way there is."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.http import HttpRequest

from mcp_django.auth.bearer import bearer_token_of
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.exceptions import AuthenticationFailed

ISSUER = "https://issuer.example"


class NamedUsers(Authenticator):
    """Takes the tokens of an issuer that writes the user's name into them."""

    issuers: Sequence[str] = (ISSUER,)

    def authorization_servers(self, request: HttpRequest) -> Sequence[str]:
        return self.issuers

    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        return bearer_challenge(failure, realm="mcp")

    def authenticate(self, request: HttpRequest) -> Identity | None:
        token = bearer_token_of(request)
        if token is None or not token.startswith("named-"):
            return None
        scopes = frozenset({"mcp:read"})
        user = User.objects.filter(username=token.removeprefix("named-")).first()
        if user is None:
            raise AuthenticationFailed(f"no user for the token of {ISSUER}")
        return Identity(user, self, token, scopes=scopes)

    def is_still_valid(self, identity: Identity) -> bool:
        return True


class OtherUsers(NamedUsers):
    """Takes those of two."""

    issuers = ("https://other.example/tenant", ISSUER)


NAMED = f"{__name__}.NamedUsers"
OTHER = f"{__name__}.OtherUsers"
TOKENS = "mcp_django.auth.tokens.TokenAuthenticator"
SESSIONS = "mcp_django.auth.django_session.SessionAuthenticator"
