"""Writes TOML: what Python's own `tomllib` reads, of tables and texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(table: Mapping[str, Any]) -> str:
    """Write a table of tables and texts, without a line feed at the end."""
    return "\n".join(_lines(table, ())).strip()


def _lines(table: Mapping[str, Any], path: Sequence[str]) -> Iterator[str]:
    values = {key: v for key, v in table.items() if not isinstance(v, Mapping)}
    if path and (values or not table):
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in values.items():
        yield f"{_key(key)} = {_text(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            if values:
                yield ""
            yield from _lines(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    """Write a basic string, which is as in JSON but for a character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
