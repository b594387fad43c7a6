"""What a 401 or 403 tells in `WWW-Authenticate`: what is needed, and what was wrong.

Spec: RFC 9110, 11.6.1; RFC 6750, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.http import HttpRequest

from mcp_django.exceptions import AuthenticationFailed

if TYPE_CHECKING:
    from mcp_django.auth.interface import Authenticator

_NOT_QUOTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
"""Spec: RFC 6750, section 3: what no `error_description` may have."""

_BEARER = re.compile(r"Bearer(?=[ ,]|$)", re.IGNORECASE)
_ERROR = re.compile(r"[ ,]error\s*=", re.IGNORECASE)
_HEADER = re.compile(r"[\t\x20-\x7e]*")


def bearer_challenge(failure: AuthenticationFailed | None, **parameters: str) -> str:
    """Write a challenge of the scheme "Bearer".

    Args:
        failure: What was wrong with the token that came; None if none came, and then
            nothing is said of an error.
        parameters: Such as `realm`, `scope` or `resource_metadata`, as they are; those
            of the failure go before them.

    Spec: RFC 6750, section 3.
    """
    return _join("Bearer", parameters | _parameters_of(failure))


def challenge_of(
    authenticator: Authenticator,
    request: HttpRequest,
    failure: AuthenticationFailed | None,
) -> object:
    """Give what an authenticator wants to say, or an awaitable of it.

    A text in place of the method is taken as it is; if it asks for a bearer token and
    names no error, what was wrong is added.

    Args:
        authenticator: Whose `challenge`.
        request: The request that is refused.
        failure: What was wrong with credentials of its kind; None if none came.

    Raises:
        Exception: Whatever the method raises.
    """
    challenge = authenticator.challenge
    if isinstance(challenge, str):
        return _add_error(challenge, failure)
    return challenge(request, failure)


def check_challenge(given: object) -> str:
    """Give a challenge back that can be a header's value; "" for none.

    Raises:
        ValueError: It cannot.
    """
    if not isinstance(given, str) or not _HEADER.fullmatch(given):
        raise ValueError(
            "a challenge must be a text of printable ASCII for WWW-Authenticate, not "
            f"{given!r}"
        )
    return given


def with_challenges(
    failure: AuthenticationFailed, challenges: Iterable[str]
) -> AuthenticationFailed:
    """Give a copy of a failure that tells challenges: the same one may be raised again.

    Args:
        failure: What was wrong.
        challenges: Those of the authenticators, checked.
    """
    copied = type(failure).__new__(type(failure))
    copied.args = failure.args
    copied.__dict__.update(failure.__dict__)
    copied.headers = [(b"www-authenticate", text.encode()) for text in challenges]
    return copied


def _add_error(challenge: str, failure: AuthenticationFailed | None) -> str:
    if failure is None or _ERROR.search(challenge):
        return challenge
    match = _BEARER.match(challenge)
    if match is None:
        return challenge
    # In front of the rest, which may go on with another scheme's challenge.
    rest = challenge[match.end() :].strip()
    begin = _join(match.group(), _parameters_of(failure))
    return f"{begin}, {rest.removeprefix(',').strip()}" if rest else begin


def _parameters_of(failure: AuthenticationFailed | None) -> dict[str, str]:
    if failure is None:
        return {}
    told = {"error": failure.error, "error_description": str(failure.description)}
    return told | failure.parameters


def _join(scheme: str, parameters: dict[str, str]) -> str:
    quoted = (f'{name}="{_quotable(text)}"' for name, text in parameters.items())
    return f"{scheme} {', '.join(quoted)}".rstrip()


def _quotable(text: str) -> str:
    return _NOT_QUOTABLE.sub("?", text.replace('"', "'"))
