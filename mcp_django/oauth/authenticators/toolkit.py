"""Tokens that this site has given, by django-oauth-toolkit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils import timezone

from mcp_django.auth.bearer import UNKNOWN, bearer_token_of
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.auth.labels import label_of_access_token, label_of_application
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.oauth.resources import resource_of

# Importing the models of an app that is not installed is a RuntimeError that does not
# name the cause.
if not apps.is_installed("oauth2_provider"):
    raise ImproperlyConfigured(
        "mcp_django.oauth.authenticators.toolkit needs 'oauth2_provider' of "
        "django-oauth-toolkit in settings.INSTALLED_APPS; add it and run migrate, or "
        "name other authenticators in settings.MCP['AUTHENTICATION']"
    )

from oauth2_provider.models import (
    AbstractApplication,
    get_access_token_model,
    get_application_model,
)
from oauthlib.common import Request

from mcp_django.oauth.authorization_server.issuer import issuer_of
from mcp_django.oauth.authorization_server.issuing import is_active
from mcp_django.oauth.authorization_server.token_texts import checksum
from mcp_django.oauth.authorization_server.uses import UseRecorder


class ToolkitAuthenticator(Authenticator):
    """Vouches for the user who let a program have the token that it brings.

    The token is looked up by its digest, in the database of the site: what ends it
    counts with the next message.

    Spec: RFC 6750, section 2.1; 2025-11-25 basic/authorization, "Token Handling".
    """

    credential_header = "authorization"

    def __init__(self) -> None:
        self._uses = UseRecorder()

    def authorization_servers(self, request: HttpRequest) -> Sequence[str]:
        """Give the issuer of the tokens, which is the site itself.

        Raises:
            DisallowedHost: The host of the request is not the site's.
        """
        return (issuer_of(request),)

    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        """Ask for a bearer token, and say if the one that came is no good."""
        return bearer_challenge(failure, realm="mcp")

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find out for whom a program acts, and record that it does, in one query.

        Returns:
            The identity, with the primary key of the token as its credential; None if
            there is no token, or none of this site.

        Raises:
            AuthenticationFailed: The token has expired or is for another endpoint, or
                its user is inactive. The text never contains the token.
        """
        text = bearer_token_of(request)
        if not text:
            return None
        token = _find(text)
        if token is None:
            return None
        _check(token, request)
        program = ""
        if token.application_id is not None:
            program = label_of_application(token.application_id)
            self._uses.record(token.user_id, token.application_id, token.resource)
        scopes = frozenset(token.scope.split())
        label = label_of_access_token(token.pk)
        return Identity(
            token.user, self, token.pk, token.expires, scopes, label, program
        )

    def is_still_valid(self, identity: Identity) -> bool:
        """Say whether the token is still there as it was, and its user active."""
        tokens = get_access_token_model().objects.select_related("user")
        found = tokens.filter(
            pk=identity.credential, user=identity.user.pk, expires__gt=timezone.now()
        )
        token = found.order_by().first()
        return (
            token is not None
            and is_active(token.user)
            and frozenset(token.scope.split()) == identity.scopes
        )


def _find(text: str) -> Any:
    """Give the row of a token, with its user."""
    model = get_access_token_model()
    # On the hot path: the program's row is not read, and what is asked for by `get` is
    # not sorted first.
    tokens = model.objects.select_related("user")
    try:
        return tokens.get(token_checksum=checksum(text))
    except model.DoesNotExist:
        return None


def _check(token: Any, request: HttpRequest) -> None:
    """Refuse a token that is not good for a request.

    Raises:
        AuthenticationFailed: It is not.
    """
    named = f"access token {token.pk}"
    if token.expires <= timezone.now():
        raise _refused(f"{named} expired at {token.expires}")
    if token.user is None:
        raise _refused(f"{named} is of no user; it was made for a program by itself")
    if not is_active(token.user):
        raise _refused(f"{named} belongs to inactive user {token.user_id!r}")
    if not _is_usable(token, request):
        raise _refused(f"{named} is of an application that is switched off")
    resource = resource_of(request)
    if resource is None:
        raise _refused("there is no MCP endpoint at the URL of the request")
    if not token.resource:
        raise _refused(
            f"{named} is for no resource; the program has to ask for it with "
            f"resource={resource.url} at this site's authorization endpoint",
            "the token does not say that it is for this server; log in again",
        )
    if not resource.accepts(token.resource):
        named_there = ", ".join(map(repr, token.resource[:5]))
        raise _refused(
            f"{named} is for {named_there:.500}, not for {resource.url!r}",
            "the token is for another server",
        )


def _is_usable(token: Any, request: HttpRequest) -> bool:
    """Ask the application, where the project has a model of its own that says so."""
    is_usual = get_application_model().is_usable is AbstractApplication.is_usable
    if is_usual or token.application is None:
        return True
    asked = Request(request.path, request.method, headers=dict(request.headers))
    return bool(token.application.is_usable(asked))


def _refused(reason: str, description: str = UNKNOWN) -> AuthenticationFailed:
    """Say why in the log: a stranger shall not learn which tokens there were."""
    return AuthenticationFailed(reason, description=description)
