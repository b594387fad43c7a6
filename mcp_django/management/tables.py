"""Tables that commands write for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TypeAlias

from mcp_django.terminal import aligned

NONE = "-"
"""Stands in a cell that has nothing to say."""

Cell: TypeAlias = Sequence[str]
"""The lines of one cell of a table."""


def write_table(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> str:
    """Align cells in columns; "" if there are no rows."""
    if not rows:
        return ""
    table = [[[head] for head in heads], *rows]
    lines = aligned(line for row in table for line in zip_longest(*row, fillvalue=""))
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines)])
