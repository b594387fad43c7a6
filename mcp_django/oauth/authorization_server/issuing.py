"""Tokens as the database has them: digests, in families, each begun by one login.

A family is all that was made from one authorization code. Of its refresh tokens one is
live; those before it were used, and say so by `revoked`. It ends as a whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import router, transaction
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
    refresh_token_expire_timedelta,
    set_token_value,
)

from mcp_django.conf import mcp_settings
from mcp_django.oauth.authorization_server.token_texts import checksum, pairs_after

_MOST_STEPS: Final = 100
"""How many refreshes within the grace period are followed."""


@dataclass(frozen=True, slots=True)
class Login:
    """For whom tokens are made, and for what.

    Attributes:
        user: As whom the program acts.
        application: The program.
        resource: URLs of the endpoints that the tokens are for.
        family: Names all tokens of the login.
    """

    user: Any
    application: Any
    resource: Sequence[str]
    family: uuid.UUID


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tokens that were made together.

    Attributes:
        access_text: Of the access token.
        refresh_text: Of the refresh token.
        access: The row of the access token.
    """

    access_text: str
    refresh_text: str
    access: Any

    @property
    def seconds_left(self) -> int:
        """For how long the access token is good."""
        left = self.access.expires - timezone.now()
        return max(0, int(left.total_seconds()))


def database() -> str:
    """Give the alias of the database where tokens are written.

    What decides is read there too: a replica may not know yet what was used.
    """
    return router.db_for_write(get_access_token_model())


def family_of(row: Any) -> uuid.UUID:
    """Give the family of a refresh token; older ones of the toolkit have none yet."""
    family: uuid.UUID | None = row.token_family
    return family or uuid.UUID(hex=row.token_checksum[:32])


def is_active(user: Any) -> bool:
    """Say whether a user may log in; true for user models that do not say."""
    return bool(getattr(user, "is_active", True))


# Making ---------------------------------------------------------------------------


def claim_code(grant: Any, login: Login, token: dict[str, Any]) -> bool:
    """Make tokens from a code, which is used up by that.

    Args:
        grant: The row of the code.
        login: Whose tokens.
        token: What oauthlib made.

    Returns:
        Whether they were made; False if another request has used the code.
    """
    alias = database()
    with transaction.atomic(using=alias):
        # First a write, so that of two requests one waits for the other.
        found = get_grant_model().objects.using(alias).filter(pk=grant.pk)
        if not found.delete()[0]:
            return False
        _save_pair(login, token, source=None)
    return True


def use_refresh_token(row: Any, login: Login, token: dict[str, Any]) -> bool:
    """Make tokens from a refresh token, which is used up by that.

    The access token before goes on until the grace period ends: calls of the client are
    under way with it.

    Args:
        row: Of the refresh token.
        login: Whose tokens.
        token: What oauthlib made.

    Returns:
        Whether they were made; False if another request has used it.
    """
    alias = database()
    refresh_tokens = get_refresh_token_model().objects.using(alias)
    access_tokens = get_access_token_model().objects.using(alias)
    now = timezone.now()
    until = now + _grace()
    with transaction.atomic(using=alias):
        live = refresh_tokens.filter(pk=row.pk, revoked=None)
        if not live.update(revoked=now, updated=now, token_family=login.family):
            return False
        before = access_tokens.filter(pk=row.access_token_id, expires__gt=until)
        before.update(expires=until)
        used = refresh_tokens.filter(token_family=login.family).exclude(revoked=None)
        old = access_tokens.filter(pk__in=used.values("access_token_id"))
        old.filter(expires__lte=now).delete()
        _save_pair(login, token, source=row)
    return True


def save_access_token(login: Login, token: dict[str, Any]) -> None:
    """Store an access token to which no refresh token belongs."""
    _save_access_token(login, token, source=None)


def _save_pair(login: Login, token: dict[str, Any], source: Any) -> None:
    access = _save_access_token(login, token, source)
    refresh = get_refresh_token_model()(
        user=login.user,
        application=login.application,
        access_token=access,
        token_family=login.family,
        resource=list(login.resource),
    )
    set_token_value(refresh, token["refresh_token"])
    refresh.save(using=database(), force_insert=True)


def _save_access_token(login: Login, token: dict[str, Any], source: Any) -> Any:
    access = get_access_token_model()(
        user=login.user,
        application=login.application,
        scope=token["scope"],
        expires=timezone.now() + timedelta(seconds=token["expires_in"]),
        source_refresh_token=source,
        resource=list(login.resource),
    )
    set_token_value(access, token["access_token"])
    access.save(using=database(), force_insert=True)
    return access


# Once more ------------------------------------------------------------------------


def find_refresh_token(text: str, application: Any) -> Any:
    """Give the row of a program's refresh token, the live one before used ones."""
    rows = get_refresh_token_model().objects.using(database())
    rows = rows.filter(token_checksum=checksum(text), application=application)
    found = list(rows.select_related("user", "access_token").order_by("-revoked"))
    return next((row for row in found if row.revoked is None), None) or next(
        iter(found), None
    )


def has_expired(row: Any) -> bool:
    """Say whether a refresh token's time is over, or its access token was ended."""
    if row.access_token is None:
        return True
    lasts: timedelta | None = refresh_token_expire_timedelta()
    return lasts is not None and row.access_token.expires + lasts <= timezone.now()


def refresh_tokens_with(access: Any) -> Any:
    """Give the rows of refresh tokens that belong to an access token."""
    rows = get_refresh_token_model().objects.using(database())
    return rows.filter(access_token=access)


def repeat(text: str, row: Any) -> Pair | None:
    """Give the live tokens that came of a refresh token which was used just now.

    Args:
        text: The refresh token.
        row: Its row.

    Returns:
        What its client was given last; None if it was used too long ago, or was not
        used but revoked.
    """
    if row.revoked is None or row.revoked <= timezone.now() - _grace():
        return None
    for _ in range(_MOST_STEPS):
        following = _following(text, row)
        if following is None:
            return None
        row, pair = following
        if row.revoked is None:
            return pair
        text = pair.refresh_text
    return None


def _following(text: str, row: Any) -> tuple[Any, Pair] | None:
    rows = get_refresh_token_model().objects.using(database())
    rows = rows.filter(application=row.application_id, token_family=row.token_family)
    for access_text, refresh_text in pairs_after(text, row.token_family):
        found = rows.filter(token_checksum=checksum(refresh_text))
        following = found.select_related("access_token").first()
        if following is not None and following.access_token is not None:
            return following, Pair(access_text, refresh_text, following.access_token)
    return None


def _grace() -> timedelta:
    return timedelta(seconds=mcp_settings.REFRESH_GRACE_SECONDS)


# Ending ---------------------------------------------------------------------------


def end_code(code: str, families: Iterable[uuid.UUID]) -> None:
    """End a code, and the tokens that were made from it."""
    get_grant_model().objects.using(database()).filter(code=code).delete()
    for family in families:
        end_family(family)


def end_family(family: uuid.UUID | None) -> None:
    """End all tokens that were made from one login."""
    get_refresh_token_model().revoke_family(family)


def end_tokens(user_id: Any, application: Any, resource: str | None = None) -> None:
    """End all that a program has by which it acts as a user.

    Args:
        user_id: Primary key of the user.
        application: The program.
        resource: URL of the endpoint for which it ends; None for all.
    """
    alias = database()
    owned = {"user_id": user_id, "application": application}
    now = timezone.now()
    with transaction.atomic(using=alias):
        grants = get_grant_model().objects.using(alias).filter(**owned)
        refresh_tokens = get_refresh_token_model().objects.using(alias).filter(**owned)
        access_tokens = get_access_token_model().objects.using(alias).filter(**owned)
        # In the order in which they are made, and until there are no new ones: while
        # this waits for a row, the request that holds it may make others.
        _of(grants, resource).delete()
        live = refresh_tokens.filter(revoked=None)
        while _of(live, resource).update(revoked=now, updated=now):
            pass
        _of(access_tokens, resource).delete()


def _of(rows: Any, resource: str | None) -> Any:
    """Keep the rows for one endpoint: not all databases look into JSON."""
    if resource is None:
        return rows
    found = rows.values_list("pk", "resource")
    return rows.filter(pk__in=[pk for pk, named in found if resource in named])
