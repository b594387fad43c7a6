"""Differences between what servers offer and what was recorded, for people to read."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final

from mcp_django.management.drift import ABSENT, Difference
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.terminal import printable

_MAX_INLINE: Final = 60
_MAX_VALUE: Final = 300


def write_differences(differences: Sequence[Difference]) -> str:
    """Write differences, each below its server and feature: `-` was, `+` is."""
    lines: list[str] = []
    for server, of_server in groupby(differences, lambda each: each.server):
        lines += [] if not lines else [""]
        lines.append(f"Server {server}")
        for _, some in groupby(of_server, lambda each: (each.kind, each.name)):
            lines += _lines_of(list(some))
    return "\n".join(map(printable, lines))


def _lines_of(differences: Sequence[Difference]) -> Iterator[str]:
    """Write the differences of one feature, or of the server itself."""
    first = differences[0]
    what = f"{first.kind} {first.name}" if first.kind else "what it says of itself"
    if not first.at:
        sign, change = ("+", "new") if first.was is ABSENT else ("-", "gone")
        yield f"  {sign} {what} is {change}"
        return
    yield f"  ~ {what}"
    for each in differences:
        yield from _lines_inside(each)


def _lines_inside(each: Difference) -> Iterator[str]:
    was, now = (_write(value) for value in (each.was, each.now))
    if each.was is ABSENT:
        yield f"      {each.at} is new: {now}"
    elif each.now is ABSENT:
        yield f"      {each.at} is gone; it was {was}"
    elif len(was) + len(now) <= _MAX_INLINE:
        yield f"      {each.at} was {was}, is {now}"
    else:
        yield f"      {each.at}"
        for line in _changed_lines(each.was, each.now):
            yield f"        {line}"


def _changed_lines(was: JSON, now: JSON) -> Iterator[str]:
    """Give the lines that differ, each with what it is: `-` was, `+` is."""
    old, new = (_lines_of_value(value) for value in (was, now))
    lines = difflib.unified_diff(old, new, n=0, lineterm="")
    # The first two name files, which these are not.
    for line in islice(lines, 2, None):
        if not line.startswith("@@"):
            yield f"{line[0]} {line[1:]}"


def _lines_of_value(value: JSON) -> list[str]:
    if isinstance(value, str):
        return value.split("\n")
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return text.split("\n")


def _write(value: Any) -> str:
    if value is ABSENT:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]} ..."
