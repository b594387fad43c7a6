"""Values of URI templates that are dangerous where a path is made of them.

What a client writes is percent-decoded, so that `%2e%2e%2f` is "../" for the handler.
Pure: no I/O, no Django.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_SEPARATOR: Final = re.compile(r"[/\\]")
_ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:[/\\]")


def fault_of(values: Mapping[str, object]) -> str | None:
    """Say what is dangerous in the values that a URI has for a template.

    Args:
        values: Mapping of variable to value, as `UriTemplate.match` gives it: texts,
            and lists of texts.

    Returns:
        A clause that names the variable, and not the value; None if nothing is.
    """
    for name, value in values.items():
        for text in _texts_of(value):
            if (fault := _fault_in(text)) is not None:
                return f"the value of {name!r} {fault}"
    return None


def _texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from value


def _fault_in(text: str) -> str | None:
    if "\0" in text:
        return "has a NUL character"
    if ".." in text and ".." in _SEPARATOR.split(text):
        return "has '..' as a segment of a path"
    if _ABSOLUTE.match(text):
        return "is an absolute path"
    return None
