"""What tokens are made of: random, or what follows from the refresh token before them.

A client whose answer was lost sends its refresh token again, and gets the same tokens
as the first time. The site cannot have kept their texts, of which it stores digests
only; so it makes them again: each follows from the refresh token that was brought, and
from the site's secret key. Who has but one of the two cannot make them.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

ACCESS_PREFIX: Final = "mcpat_"
REFRESH_PREFIX: Final = "mcprt_"
"""How the texts begin, so that people and secret scanners know them."""

_SALT: Final = "mcp_django.oauth"


def access_token(request: Any, refresh_token: bool = False) -> str:
    """Make the text of an access token, as `ACCESS_TOKEN_GENERATOR`.

    Args:
        request: Of oauthlib, for which the token is.
        refresh_token: oauthlib's own; not used.
    """
    return _text(ACCESS_PREFIX, request)


def refresh_token(request: Any, refresh_token: bool = False) -> str:
    """Make the text of a refresh token, as `REFRESH_TOKEN_GENERATOR`.

    Args:
        request: Of oauthlib, for which the token is.
        refresh_token: oauthlib's own; not used.
    """
    return _text(REFRESH_PREFIX, request)


def pairs_after(brought: str, family: object) -> Iterator[tuple[str, str]]:
    """Give the access and the refresh token that follow from a refresh token.

    Args:
        brought: The refresh token.
        family: Names the login that it comes from.

    Yields:
        A pair for each secret key of the site, the present one first.
    """
    for key in _keys():
        yield (
            _following(ACCESS_PREFIX, brought, family, key),
            _following(REFRESH_PREFIX, brought, family, key),
        )


def families_of(code: str) -> Iterator[UUID]:
    """Give what names the tokens that are made from a code.

    So they are found when the code comes a second time, though the code is gone.

    Yields:
        A name for each secret key of the site, the present one first.
    """
    for key in _keys():
        yield UUID(bytes=_digest("family", code, key)[:16])


def checksum(text: str) -> str:
    """Give what is stored of a token's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _text(prefix: str, request: Any) -> str:
    before = getattr(request, "refresh_token_instance", None)
    if before is None:
        return prefix + secrets.token_urlsafe(32)
    return _following(
        prefix, request.refresh_token, before.token_family, settings.SECRET_KEY
    )


def _following(prefix: str, brought: str, family: object, key: str | bytes) -> str:
    digest = _digest(prefix, f"{family} {brought}", key)
    return prefix + urlsafe_b64encode(digest).decode().rstrip("=")


def _digest(purpose: str, value: str, key: str | bytes) -> bytes:
    salt = f"{_SALT}.{purpose}"
    return salted_hmac(salt, value, secret=key, algorithm="sha256").digest()


def _keys() -> list[str | bytes]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
