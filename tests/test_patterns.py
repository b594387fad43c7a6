"""Regular expressions: what every Python that we support understands alike."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "mcp_django"
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)[*+?]\+")
DELIMITERS = "()*+,;="
"""A list of characters, as RFC 3986 has them."""


def test_no_group_is_repeated_possessively() -> None:
    """Chosen: Python before 3.11.5 misses matches then; `(?>(...)*)` means the same."""
    found = [
        f"{path.relative_to(PACKAGE)}, line {node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str | bytes)
        and POSSESSIVE_GROUP.search(
            (
                node.value
                if isinstance(node.value, str)
                else node.value.decode("latin-1")
            ).replace(DELIMITERS, "")
        )
    ]
    assert found == []
