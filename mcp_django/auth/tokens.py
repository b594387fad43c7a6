"""Bearer tokens of the app `mcp_django.tokens`."""

from __future__ import annotations

import math
import re
import threading
import time
from datetime import datetime

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.http import HttpRequest
from django.utils import timezone

from mcp_django.auth.bearer import UNKNOWN, bearer_token_of
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.auth.labels import label_of_token
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import AuthenticationFailed

# Importing the model of an app that is not installed is a RuntimeError that does not
# name the cause.
if not apps.is_installed("mcp_django.tokens"):
    raise ImproperlyConfigured(
        "mcp_django.auth.tokens needs 'mcp_django.tokens' in settings.INSTALLED_APPS; "
        "add it and run migrate, or name other authenticators in "
        "settings.MCP['AUTHENTICATION']"
    )

from mcp_django.tokens.models import PREFIX, Token, TokenState

logger = FaultLog("mcp_django.auth")

_PAUSE_SECONDS = 60.0
_PATIENCE_SECONDS = 0.5
_TOKEN_TEXT = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}")


class TokenAuthenticator(Authenticator):
    """Vouches for the user that the token in `Authorization: Bearer TOKEN` is tied to.

    Spec: RFC 6750, section 2.1, "Authorization Request Header Field".
    """

    credential_header = "authorization"

    def __init__(self) -> None:
        self._recording = threading.Lock()
        # When the use of tokens is recorded again, by the monotonic clock.
        self._record_from = -math.inf

    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        """Ask for a bearer token, and say if the one that came is no good."""
        return bearer_challenge(failure, realm="mcp")

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find out whose token a request carries, and record that it was used.

        Returns:
            The identity, with the token's primary key as its credential; None if the
            request has no bearer token, or one that is not ours by its first letters.

        Raises:
            AuthenticationFailed: The token is malformed, unknown, expired or revoked,
                or its user is inactive. The text never contains the token.
        """
        text = bearer_token_of(request)
        if text is None or not text.startswith(PREFIX):
            return None
        if not _TOKEN_TEXT.fullmatch(text):
            raise _failed(
                f"bearer token is malformed: it is not {PREFIX!r} and 43 characters"
            )
        # On the hot path: what is asked for by `get` is not sorted first.
        try:
            token = Token.objects.with_text(text).select_related("user").get()
        except Token.DoesNotExist:
            raise _failed("bearer token is unknown") from None
        now = timezone.now()
        match token.state_at(now):
            case TokenState.REVOKED:
                raise _failed(
                    f"bearer token {token.pk} was revoked at {token.revoked_at}"
                )
            case TokenState.EXPIRED:
                raise _failed(f"bearer token {token.pk} expired at {token.expires_at}")
        if not token.is_user_active:
            raise _failed(
                f"bearer token {token.pk} belongs to inactive user {token.user_id!r}"
            )
        self._record_use(token, now)
        label = label_of_token(token.pk)
        return Identity(
            token.user, self, token.pk, token.expires_at, token.scopes, label
        )

    def _record_use(self, token: Token, now: datetime) -> None:
        """Record that a token was used, where the database takes writes.

        One that takes none, such as a standby, keeps no user out, and is asked again
        only after a minute. Where a write hangs, no other request waits for it.
        """
        if time.monotonic() < self._record_from:
            return
        if not self._recording.acquire(timeout=_PATIENCE_SECONDS):
            self._pause("a write hangs")
            return
        try:
            token.record_use(now)
        except Error as error:
            self._pause(error)
        finally:
            self._recording.release()

    def _pause(self, reason: object) -> None:
        self._record_from = time.monotonic() + _PAUSE_SECONDS
        logger.warning(
            "the use of tokens cannot be recorded, for a minute at least; "
            "look at the database: %s",
            reason,
        )

    def is_still_valid(self, identity: Identity) -> bool:
        """Say whether the token is usable as it was, and its user active.

        One that allows something else by now is not: what is open was opened with what
        it allowed then.
        """
        token = (
            Token.objects.usable(timezone.now())
            .select_related("user")
            .filter(pk=str(identity.credential), user=identity.user.pk)
            .first()
        )
        return (
            token is not None
            and token.is_user_active
            and token.scopes == identity.scopes
        )


def _failed(reason: str) -> AuthenticationFailed:
    """Say why in the log alone: a stranger shall not learn which tokens there were."""
    return AuthenticationFailed(reason, description=UNKNOWN)
