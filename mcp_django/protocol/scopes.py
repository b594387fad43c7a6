"""Names of scopes: what a credential allows of what its user may do.

Spec: RFC 6749, section 3.3; 2026-07-28 basic/authorization, "Scope Selection Strategy".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

READ: Final = "mcp:read"
"""What reading needs where a feature names nothing else."""

WRITE: Final = "mcp:write"
"""What everything else needs where a feature names nothing else."""

_NAME: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope(name: object) -> bool:
    """Say whether a text can be the name of one scope."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def parse_scopes(text: str) -> frozenset[str]:
    """Give the scopes that a text names, separated by spaces.

    Raises:
        ValueError: One is no name of a scope.
    """
    names = frozenset(filter(None, text.split(" ")))
    for name in sorted(names):
        if not is_scope(name):
            raise ValueError(f"{name!r} is no name of a scope")
    return names


def write_scopes(names: Iterable[str]) -> str:
    """Write scopes as one text: each once, sorted, with spaces between them."""
    return " ".join(sorted(set(names)))
