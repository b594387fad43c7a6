"""Values in lines of the log, which cannot begin a line of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_NOT_PLAIN: Final = re.compile(r"[^ -~]")


class _Escaped:
    """Stands for a value; what is not plain is escaped when it is put into text."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return _text_of(self._value, str)

    def __repr__(self) -> str:
        return _text_of(self._value, repr)


def escaped(value: object) -> object:
    """Give what to log in place of a value: itself if it is a number."""
    return value if isinstance(value, int | float) else _Escaped(value)


def escaped_text(text: str) -> str:
    """Escape what is not plain, such as ends of lines, as Django does in its log."""
    return _NOT_PLAIN.sub(_escape, text)


def _text_of(value: object, convert: Callable[[object], str]) -> str:
    try:
        return escaped_text(convert(value))
    except Exception as error:  # code of others
        return f"<{type(value).__qualname__}: {type(error).__qualname__} in its text>"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
