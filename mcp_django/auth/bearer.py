"""Bearer tokens in requests.

Spec: RFC 6750, section 2; RFC 9700, section 4.3.2.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_plus

from django.http import HttpRequest

from mcp_django.exceptions import AuthenticationFailed

URL_PARAMETER: Final = "access_token"
"""What a token in a URL is called. Spec: RFC 6750, section 2.3."""

UNKNOWN: Final = "the token is unknown, expired or revoked"
"""What a stranger is told of a token: not which ones there were."""


def bearer_token_of(request: HttpRequest) -> str | None:
    """Give the bearer token in `Authorization`.

    Returns:
        The token, "" for an empty one; None if there is no such header, or it has
        another scheme.

    Spec: RFC 6750, section 2.1; RFC 9110, section 11.1, for the case of the scheme.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else None


def has_token_in_url(query_string: str) -> bool:
    """Say whether a query string has a token, or says that it has.

    Spec: RFC 6750, section 2.3.
    """
    # Not by `request.GET`, which raises for some query strings.
    if not query_string:
        return False
    names = (field.partition("=")[0] for field in query_string.split("&"))
    return URL_PARAMETER in map(unquote_plus, names)


def refuse_token_in_url(request: HttpRequest) -> None:
    """Refuse a request whose URL has a token: URLs get into logs and histories.

    Raises:
        AuthenticationFailed: It has one.

    Spec: RFC 6750, section 3.1, for a token sent in two ways; RFC 9700, section 4.3.2.
    """
    if not has_token_in_url(request.META.get("QUERY_STRING", "")):
        return
    is_sent_twice = bearer_token_of(request) is not None
    raise AuthenticationFailed(
        f"there is a token in the URL, as {URL_PARAMETER!r}",
        error="invalid_request" if is_sent_twice else "invalid_token",
        description="a token in the URL is not accepted; send it in the header "
        "Authorization: Bearer TOKEN, and make a new one, for URLs are logged",
    )


def unknown_token() -> AuthenticationFailed:
    """Give the refusal of a bearer token that no authenticator knows."""
    return AuthenticationFailed(
        "no authenticator knows the bearer token", description=UNKNOWN
    )
