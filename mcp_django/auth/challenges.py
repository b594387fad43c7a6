"""What a 401 or 403 tells in `WWW-Authenticate`: what is needed, and what was wrong.

Spec: RFC 9110, 11.6.1; RFC 6750, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from django.http import HttpRequest

from mcp_django.auth.challenge_syntax import Challenge, parse
from mcp_django.exceptions import AuthenticationFailed

if TYPE_CHECKING:
    from mcp_django.auth.interface import Authenticator

Addition: TypeAlias = Callable[[HttpRequest], Mapping[str, str]]
"""Gives parameters of a challenge, such as `resource_metadata`, for the request that is
refused. Called by the event loop: it asks no database."""

additions: Final[list[Addition]] = []
"""What apps add to each challenge that asks for a bearer token, where it does not say
the same itself. An app puts it there in `AppConfig.ready`."""

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
    return str(Challenge("Bearer").adding(parameters | _parameters_of(failure)))


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
    copied = _copy(failure)
    copied.headers = [(b"www-authenticate", text.encode()) for text in challenges]
    return copied


def explained(failure: AuthenticationFailed) -> AuthenticationFailed:
    """Give a copy of a failure that tells the sender what the log is told."""
    if not failure.reason:
        return failure
    copied = _copy(failure)
    copied.description = f"{failure.description} ({failure.reason})"
    copied.message = copied.description
    return copied


def _copy(failure: AuthenticationFailed) -> AuthenticationFailed:
    copied = type(failure).__new__(type(failure))
    copied.args = failure.args
    copied.__dict__.update(failure.__dict__)
    return copied


def complete(
    challenges: Iterable[str],
    parameters: Mapping[str, str],
    failure: AuthenticationFailed | None = None,
) -> list[str]:
    """Say in each challenge that asks for a bearer token what apps add to it.

    Many clients read the first challenge alone: so those for bearer tokens go first,
    and of these what is wrong with the one that came. One that says nothing which is
    not said before is left out.

    Args:
        challenges: Those of the authenticators, checked; each may be a list.
        parameters: What is added where it is not there.
        failure: What was wrong with a bearer token that no authenticator knows.
    """
    bearer: list[Challenge] = []
    others: list[str] = []
    for text in challenges:
        try:
            found = parse(text)
        except ValueError:
            others.append(text)  # The project knows why it writes this.
            continue
        bearer += (challenge for challenge in found if challenge.is_bearer)
        others += (str(challenge) for challenge in found if not challenge.is_bearer)
    full = [_adding_error(each, failure).adding(parameters) for each in bearer]
    full.sort(key=lambda challenge: "error" not in challenge.names)
    said: list[Challenge] = []
    for challenge in full:
        new = set(challenge.parameters)
        if not any(new <= set(before.parameters) for before in said):
            said.append(challenge)
    return [*map(str, said), *dict.fromkeys(others)]


def _add_error(text: str, failure: AuthenticationFailed | None) -> str:
    """Add what was wrong to a text that asks for a bearer token."""
    try:
        challenges = parse(text)
    except ValueError:
        return text
    return ", ".join(str(_adding_error(each, failure)) for each in challenges)


def _adding_error(
    challenge: Challenge, failure: AuthenticationFailed | None
) -> Challenge:
    if not challenge.is_bearer or "error" in challenge.names:
        return challenge
    return challenge.adding(_parameters_of(failure))


def _parameters_of(failure: AuthenticationFailed | None) -> dict[str, str]:
    if failure is None:
        return {}
    told = {"error": failure.error, "error_description": str(failure.description)}
    return told | failure.parameters
