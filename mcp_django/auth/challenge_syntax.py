"""What stands in `WWW-Authenticate`, taken apart and written again.

Spec: RFC 9110, sections 11.2, 11.3 and 11.6.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?>(?:[^"\\]|\\.)*)"'
_END: Final = r"(?=[ \t]*+(?:,|$))"
_GAP: Final = re.compile(r"[ \t]*+")
_GAPS: Final = re.compile(r"[ \t,]*+")
_PARAMETER: Final = re.compile(
    rf"({_TOKEN})[ \t]*+=[ \t]*+({_TOKEN}|{_QUOTED}){_END}", re.DOTALL
)
_SCHEME: Final = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_TOKEN68: Final = re.compile(rf"[A-Za-z0-9._~+/-]++=*+{_END}")

_NOT_QUOTABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
"""Spec: RFC 6750, section 3: what no `error_description` may have."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge.

    Attributes:
        scheme: As it is written; its case means nothing.
        parameters: Name and value of each, as they are written, in order.
        token: What some schemes have in the place of parameters; "" for none.
    """

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()
    token: str = ""

    @property
    def is_bearer(self) -> bool:
        """Whether it asks for a bearer token, so that it may have parameters."""
        return self.scheme.lower() == "bearer" and not self.token

    @property
    def names(self) -> frozenset[str]:
        """The names of the parameters, in lower case: their case means nothing."""
        return frozenset(name.lower() for name, _ in self.parameters)

    def adding(self, parameters: Mapping[str, str]) -> Challenge:
        """Give the challenge with parameters at its end that it does not have yet."""
        names = self.names
        added = tuple(
            (name, quoted(value))
            for name, value in parameters.items()
            if name.lower() not in names
        )
        return replace(self, parameters=self.parameters + added)

    def __str__(self) -> str:
        rest = self.token or ", ".join(f"{name}={v}" for name, v in self.parameters)
        return f"{self.scheme} {rest}" if rest else self.scheme


def quoted(text: str) -> str:
    """Write a value in quotes, with what may not stand there replaced."""
    return f'"{_NOT_QUOTABLE.sub("?", text.replace(chr(34), chr(39)))}"'


def parse(text: str) -> list[Challenge]:
    """Take a list of challenges apart.

    Raises:
        ValueError: It is none.
    """
    return list(_parse(text))


def _parse(text: str) -> Iterator[Challenge]:
    place = _after(_GAPS, text, 0)
    while place < len(text):
        scheme = _SCHEME.match(text, place)
        if scheme is None:
            raise _no_challenge(text, place)
        place = _after(_GAP, text, scheme.end())
        token = _TOKEN68.match(text, place)
        if token is not None:
            yield Challenge(scheme[1], token=token[0])
            place = _after(_GAPS, text, token.end())
            continue
        parameters = []
        while (parameter := _PARAMETER.match(text, place)) is not None:
            parameters.append((parameter[1], parameter[2]))
            place = _after(_GAPS, text, parameter.end())
        if not parameters and text[place : place + 1] not in ("", ","):
            raise _no_challenge(text, place)
        yield Challenge(scheme[1], tuple(parameters))
        place = _after(_GAPS, text, place)


def _no_challenge(text: str, place: int) -> ValueError:
    return ValueError(f"no challenge goes on at character {place} of {text!r}")


def _after(gap: re.Pattern[str], text: str, place: int) -> int:
    match = gap.match(text, place)
    assert match is not None  # of any length
    return match.end()
