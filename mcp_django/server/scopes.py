"""Scopes: what a credential allows a program to do of all that its user may do.

They narrow what permissions allow, and never add to it. A feature that the user may
not use is hidden. One that only the credential does not allow is listed; who uses it is
told which scopes it needs, so that the program can ask its user for more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mcp_django.exceptions import AuthenticationFailed
from mcp_django.protocol.scopes import READ, WRITE, is_scope, write_scopes
from mcp_django.server.declarations import check_texts
from mcp_django.server.requests import Request
from mcp_django.server.texts import Text

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Scope: TypeAlias = str | Iterable[str]
"""The name of a scope, or several, all of which are needed."""

WORDS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        READ: _("See everything that you can see"),
        WRITE: _("Act for you and change what you can change"),
    }
)
"""The scopes that every server has, in words for the user who is asked."""


class Scoped(Protocol):
    """What needs scopes to be used."""

    @property
    def scopes(self) -> frozenset[str]:
        """All that are needed."""


def read_words(server: str, declared: Mapping[str, Text] | None) -> Mapping[str, Text]:
    """Read what was given as `scopes=` of a server.

    Args:
        server: The server, for messages, such as "server 'shop'".
        declared: Scope -> what it allows, in words.

    Returns:
        The same, after the scopes that every server has.

    Raises:
        ValueError: It is no mapping, or has what is no scope or has no words.
    """
    if declared is None:
        return WORDS
    if not isinstance(declared, Mapping):
        raise ValueError(
            f"{server}: scopes must be a dict from each scope to what it allows, such "
            f"as {{'library:lend': 'Borrow and return books'}}, not {declared!r}"
        )
    for name, words in declared.items():
        _check_name(server, "scopes", name)
        check_texts(server, **{f"scopes[{name!r}]": words})
        is_blank = not isinstance(words, Promise) and not (words and words.strip())
        if is_blank:
            raise ValueError(
                f"{server}: scopes[{name!r}] is empty; say in words what it allows, "
                "for the user who is asked to allow it"
            )
    return MappingProxyType({**WORDS, **declared})


def read_scopes(what: str, argument: str, given: Scope) -> frozenset[str]:
    """Read what was given as `scope=` or the like.

    Args:
        what: What it is for, for messages, such as "tool 'ship'".
        argument: Where it was given, for messages.
        given: A scope, or several.

    Raises:
        ValueError: It is neither.
    """
    several: Any = (given,) if isinstance(given, str) else given
    if isinstance(several, Mapping | bytes) or not isinstance(several, Iterable):
        raise ValueError(
            f"{what}: {argument} must be the name of a scope such as {READ!r}, or a "
            f"list of them, not {given!r}"
        )
    names = list(several)
    for name in names:
        _check_name(what, argument, name)
    return frozenset(str.__str__(name) for name in names)


def read_needed(feature: str, scope: Scope | None, *, reads: bool) -> frozenset[str]:
    """Read what was given as `scope=` of a feature.

    Args:
        feature: The feature, for messages.
        scope: What was given; None for what such a feature mostly needs.
        reads: Whether the feature only reads.

    Raises:
        ValueError: It is no scope, or none is named.
    """
    default = READ if reads else WRITE
    if scope is None:
        return frozenset({default})
    names = read_scopes(feature, "scope", scope)
    if not names:
        raise ValueError(
            f"{feature}: scope={scope!r} asks for nothing; leave it out for "
            f"{default!r}, or name what is needed"
        )
    return names


def check_declared(server: Server, what: str, names: Iterable[str]) -> None:
    """Refuse scopes that a server does not have.

    Raises:
        ValueError: There is one.
    """
    unknown = sorted(set(names) - server.scopes.keys())
    if unknown:
        raise ValueError(
            f"{what} names the scope {unknown[0]!r}, which server {server.name!r} does "
            f"not have; declare it, as in Server({server.name!r}, "
            f"scopes={{{unknown[0]!r}: 'What it allows, in words'}})"
        )


def check_allowed(server: Server, request: Request, feature: Scoped) -> None:
    """Refuse a request whose credential does not allow the use of a feature.

    Raises:
        AuthenticationFailed: It does not.
    """
    allowed = request.sender.scopes
    if allowed is not None and not feature.scopes <= allowed:
        raise insufficient(server, request, feature.scopes)


def insufficient(
    server: Server, request: Request, needed: Iterable[str]
) -> AuthenticationFailed:
    """Make the refusal of a request for want of scopes.

    What the credential allows already is among those named: there are clients that ask
    for nothing else than what they are told here, and would lose it.

    Args:
        server: Whose features are needed.
        request: What is refused.
        needed: All scopes that the request needs.

    Spec: 2025-11-25 basic/authorization, "Runtime Insufficient Scope Errors".
    """
    needed, allowed = set(needed), request.sender.scopes or frozenset()
    missing = write_scopes(needed - allowed)
    wanted = write_scopes(needed | (allowed & server.scopes.keys()))
    return AuthenticationFailed(
        f"{request.describe()} needs the scope {missing}",
        error="insufficient_scope",
        description=f"this needs the scope {missing}, which the token does not have",
        parameters={"scope": wanted},
    )


def _check_name(what: str, argument: str, name: object) -> None:
    if is_scope(name):
        return
    hint = ""
    if isinstance(name, str) and " " in name.strip():
        hint = f"; give several as a list, such as {name.split()!r}"
    raise ValueError(
        f"{what}: {argument} has {name!r}, which is no name of a scope: those are of "
        f"printable ASCII without blanks, '\"' and '\\'{hint}"
    )
