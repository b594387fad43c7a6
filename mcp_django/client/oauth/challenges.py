"""What a server says in `WWW-Authenticate`.

Spec: RFC 9110, section 11.6.1; RFC 6750, section 3; RFC 9728, section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_CHARACTERS: Final = 16_384
"""Characters of a header that are looked at."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_GAP: Final = re.compile(r"[ \t,]*")
_PARAMETER: Final = re.compile(
    rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))[ \t]*(?=,|$)',
    re.DOTALL,
)
_SCHEME: Final = re.compile(rf"({_TOKEN})(?:[ \t]+|(?=,|$))")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)")
_REST: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^,"])*', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in that a server names.

    Attributes:
        scheme: In lower case, such as "bearer".
        parameters: By names in lower case; of one that is repeated, the first.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> str:
        """What was wrong with the credentials; "" if there were none."""
        return self.parameters.get("error", "")

    @property
    def scopes(self) -> frozenset[str]:
        """What the request needs; empty if that is not said."""
        return read_scopes(self.parameters.get("scope", ""))

    @property
    def resource_metadata(self) -> str | None:
        """URL of the document that says where to log in; None if it is not named."""
        return self.parameters.get("resource_metadata") or None


def read_scopes(text: str) -> frozenset[str]:
    """Read scopes that spaces separate, without what can be none.

    Spec: RFC 6749, section 3.3.
    """
    return frozenset(name for name in text.split() if _SCOPE.fullmatch(name))


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read the challenges of all headers of that name.

    What cannot be read is left out; the rest is taken.
    """
    challenges: list[Challenge] = []
    for header in headers:
        _parse(header[:MAX_CHARACTERS], challenges)
    return challenges


def find_bearer(headers: Iterable[str]) -> Challenge | None:
    """Give the challenge for bearer tokens; one that says where to log in, if any."""
    bearer = [one for one in parse_challenges(headers) if one.scheme == "bearer"]
    named = (one for one in bearer if one.resource_metadata)
    return next(named, bearer[0] if bearer else None)


def _parse(text: str, challenges: list[Challenge]) -> None:
    parameters: dict[str, str] | None = None
    position = 0
    while (position := _end(_GAP, text, position)) < len(text):
        if found := _PARAMETER.match(text, position):
            # Before any scheme it belongs to nothing.
            if parameters is not None:
                name, quoted, plain = found.groups()
                value = plain if quoted is None else _ESCAPE.sub(r"\1", quoted)
                parameters.setdefault(name.lower(), value)
            position = found.end()
        elif found := _SCHEME.match(text, position):
            parameters = {}
            challenges.append(Challenge(found[1].lower(), parameters))
            position = _end(_TOKEN68, text, found.end())
        else:
            # At least one character, so that garbage comes to an end.
            position = max(_end(_REST, text, position), position + 1)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return position if found is None else found.end()
