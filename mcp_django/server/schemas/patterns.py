"""Patterns that are found in bounded time.

A developer writes a pattern, and the value that it is looked for in is a client's.
Python's own engine may try for hours. Most patterns are read by a linear engine, which
is pydantic's. What that does not know, such as a lookahead, is read by one that stops
when it is told to.
"""

from __future__ import annotations

import re
from functools import lru_cache
from time import thread_time
from typing import Final

import regex

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.counted_schemas import linear
from mcp_django.server.arguments.allowance import allowance

MAX_SECONDS: Final = 0.03
"""Time that one check has for all texts in which the other engine looks."""


_MIN_SECONDS: Final = 0.002
"""What it has if other checks have taken all that there is."""

_FLAGS: Final = ("ASCII", "IGNORECASE", "MULTILINE", "DOTALL", "VERBOSE")


class BoundedSearch:
    """Finds patterns in texts, until it has taken too long for all of them."""

    def __init__(self) -> None:
        self._left = allowance.ask(MAX_SECONDS, _MIN_SECONDS)

    def __call__(self, pattern: str | re.Pattern[str], text: str) -> bool:
        """Say whether a pattern is found in a text, as Python finds it.

        Raises:
            TooMuchWork: That takes too long.
        """
        engine = _compile(pattern)
        began = thread_time()
        try:
            found = engine.search(text, timeout=self._left)
        except TimeoutError:
            found, took = None, self._left
        else:
            took = thread_time() - began
        self._left -= took
        allowance.spend(took)
        if self._left <= 0:
            raise TooMuchWork("has a pattern that takes too long to find")
        return found is not None


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that no engine knows.

    Raises:
        ValueError: None does; the text says why.
    """
    if linear(pattern) is None:
        _compile(pattern)


@lru_cache(maxsize=256)
def _compile(pattern: str | re.Pattern[str]) -> regex.Pattern[str]:
    flags = 0
    if isinstance(pattern, re.Pattern):
        # Each engine has numbers of its own for them.
        names = [flag for flag in _FLAGS if pattern.flags & re.RegexFlag[flag]]
        flags = sum(regex.RegexFlag[name] for name in names)
        pattern = pattern.pattern
    try:
        return regex.compile(pattern, flags)
    except regex.error as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}") from None
