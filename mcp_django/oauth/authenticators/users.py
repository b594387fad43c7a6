"""The user of the site whom another issuer's token stands for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError

from mcp_django.oauth.authenticators.claims import Claims, refused

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_MAX_CHARACTERS = 255
_MAX_FOUND = 50


def find_active_user(claims: Claims, claim: str, field: str) -> AbstractBaseUser:
    """Give the one active user whose field has what a claim says.

    Args:
        claims: Of the token.
        claim: Such as "sub". With "email" the token has to say that the address is
            verified: else it is what its owner likes it to be.
        field: Of the user model; "" for the one of user names, or with "email" for
            that of addresses.

    Raises:
        AuthenticationFailed: There is no such claim, or there are no such users, or
            several.
        ImproperlyConfigured: There is no such field.
    """
    value = claims.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_CHARACTERS:
        raise refused(f"the token has no claim {claim!r} that could name a user")
    # Some issuers write it as a text.
    if claim == "email" and claims.get("email_verified") not in (True, "true"):
        raise refused("the token does not say that the address in 'email' is verified")
    name = field or _default_field(claim)
    users = [user for user in _find(name, claim, value) if _is_active(user)]
    if len(users) != 1:
        raise refused(
            f"{len(users) or 'no'} active {'user has' if not users else 'users have'} "
            f"what the claim {claim!r} says in the field {name!r}",
            "the site has no account for the user of this token",
        )
    return users[0]


def _default_field(claim: str) -> str:
    model: Any = get_user_model()
    found: str = (
        model.get_email_field_name() if claim == "email" else model.USERNAME_FIELD
    )
    return found


def _find(field: str, claim: str, value: str) -> Sequence[AbstractBaseUser]:
    lookup = f"{field}__iexact" if claim == "email" else field
    users = get_user_model()._default_manager
    try:
        found = list(users.filter(**{lookup: value})[:_MAX_FOUND])
    except (ValueError, TypeError, OverflowError, ValidationError):
        return []  # The field cannot have such a value.
    if claim != "email":
        return found
    # Databases take more letters for the same than mail does.
    return [user for user in found if _folded(_value(user, field)) == _folded(value)]


def _value(user: AbstractBaseUser, field: str) -> str:
    found: Any = user
    for part in field.split("__"):
        found = getattr(found, part)
    return str(found)


def _folded(address: str) -> str:
    return unicodedata.normalize("NFKC", address).casefold()


def _is_active(user: AbstractBaseUser) -> bool:
    return bool(getattr(user, "is_active", True))


def check_field(field: str) -> None:
    """Refuse a field that the user model does not have.

    Raises:
        ImproperlyConfigured: It does not.
    """
    if not field:
        return
    try:
        get_user_model()._default_manager.filter(**{f"{field}__isnull": False})
    except FieldError as error:
        raise ImproperlyConfigured(f"user_field is {field!r}: {error}") from error
