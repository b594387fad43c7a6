"""What a client is made with, as far as it can be wrong."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_types import LoggingLevel, Root
from pydantic import ValidationError

from mcp_django.protocol.log_levels import LOG_LEVELS


def read_roots(roots: Sequence[str | Root]) -> list[Root]:
    """Make roots of the URLs of folders.

    Raises:
        ValueError: One of them is none.
    """
    if isinstance(roots, str):
        raise ValueError(f"roots must be a list of URLs, not the text {roots[:100]!r}")
    return [root if isinstance(root, Root) else _root(root) for root in roots]


def _root(url: str) -> Root:
    try:
        return Root.model_validate({"uri": url})
    except ValidationError:
        raise ValueError(
            f"root {url!r:.200} is no URL of a folder, such as 'file:///srv/data'"
        ) from None


def check_seconds(**seconds: object) -> None:
    """Refuse what is no time to wait.

    Args:
        seconds: By the names of their options.

    Raises:
        ValueError: One of them is none.
    """
    for name, value in seconds.items():
        if not (isinstance(value, int | float) and value > 0):
            raise ValueError(f"{name} must be seconds above 0, not {value!r:.100}")


def check_callable(**functions: object) -> None:
    """Refuse what cannot be called; None is no function.

    Args:
        functions: By the names of their options.

    Raises:
        ValueError: One of them cannot.
    """
    for name, function in functions.items():
        if not (function is None or callable(function)):
            raise ValueError(f"{name} must be a function, not {function!r:.100}")


def check_level(level: LoggingLevel | None) -> LoggingLevel | None:
    """Give a log level back; None if the server shall choose.

    Raises:
        ValueError: It is none.
    """
    if level is not None and level not in LOG_LEVELS:
        raise ValueError(f"log level {level!r:.100} is none of {[*LOG_LEVELS]!r}")
    return level
