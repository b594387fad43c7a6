"""What a token says of itself, whether it was signed or asked about.

Spec: RFC 9068, section 2; RFC 7662, section 2.2.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.utils import timezone

from mcp_django.auth.bearer import UNKNOWN
from mcp_django.exceptions import AuthenticationFailed

Claims: TypeAlias = Mapping[str, Any]
"""Names to JSON values, as the issuer wrote them."""

MAX_CHARACTERS: Final = 16_384
"""Of a token. Those of companies with many groups have some thousand."""

_KINDS: Final = {"typ": "bearer", "token_use": "access"}
"""Claims of some issuers, such as Keycloak and Cognito, with what they say of access
tokens."""


def refused(reason: str, description: str | None = None) -> AuthenticationFailed:
    """Make the refusal of a token.

    Args:
        reason: For the log; never with the token.
        description: For the client, if it may know more than that the token is wrong.
    """
    return AuthenticationFailed(reason, description=description or UNKNOWN)


def audiences_of(claims: Claims) -> Sequence[str]:
    """Give for which resources a token is; none if it does not say.

    Raises:
        AuthenticationFailed: What it says is nothing of the kind.
    """
    found = claims.get("aud")
    if found is None:
        return ()
    if isinstance(found, str):
        return (found,) if found else ()
    if not _is_list_of_texts(found):
        raise refused("the claim 'aud' is neither a text nor a list of them")
    return tuple(found)


def scopes_of(claims: Claims) -> frozenset[str]:
    """Give what a token allows: the claim `scope`, or else `scp`.

    Each may be a text with blanks or a list. A token without either allows nothing
    that needs a scope.

    Raises:
        AuthenticationFailed: It is neither.
    """
    name = "scope" if claims.get("scope") is not None else "scp"
    found = claims.get(name)
    if found is None:
        return frozenset()
    if isinstance(found, str):
        return frozenset(found.split())
    if not _is_list_of_texts(found):
        raise refused(f"the claim {name!r} is neither a text nor a list of them")
    return frozenset(part for text in found for part in text.split())


def program_of(claims: Claims) -> str:
    """Give the client id of the program that a token was made for; "" if unknown.

    Spec: RFC 9068, section 2.2; RFC 7662, section 2.2. Some issuers say `azp`, of
    OpenID Connect.
    """
    found = claims.get("client_id") or claims.get("azp")
    return found[:500] if isinstance(found, str) else ""


def moment_of(claims: Claims, name: str) -> datetime.datetime | None:
    """Give the time that a claim such as `exp` names, as `timezone.now()` gives times.

    Returns:
        The time; None if there is no such claim.

    Raises:
        AuthenticationFailed: It is no time.

    Spec: RFC 7519, section 2, "NumericDate".
    """
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise refused(f"the claim {name!r} is no number")
    try:
        moment = datetime.datetime.fromtimestamp(found, datetime.UTC)
        return moment if settings.USE_TZ else timezone.make_naive(moment)
    except (ValueError, OverflowError, OSError):
        raise refused(f"the claim {name!r} is no time") from None


def is_bound_to_key(claims: Claims) -> bool:
    """Say whether a token is good only with proof that its sender has a key.

    Spec: RFC 9449, section 7.2: such a one must be refused as a bearer token.
    """
    return claims.get("cnf") is not None


def says_its_kind(claims: Claims) -> bool:
    """Say whether a token says that it is an access token.

    Raises:
        AuthenticationFailed: It says that it is another one, such as an ID token.
    """
    for name, good in _KINDS.items():
        given = claims.get(name)
        if given is None:
            continue
        if not isinstance(given, str) or given.lower() != good:
            raise refused(f"the claim {name!r} says {given!r:.40}: no access token")
        return True
    return False


def _is_list_of_texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)
