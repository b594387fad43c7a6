"""Libraries that an extra of the distribution brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def brought_by(extra: str) -> Iterator[None]:
    """Import a library within the block; if it is missing, name the extra.

    Raises:
        ModuleNotFoundError: It is missing; the text says how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise ModuleNotFoundError(
            f"{library} is not installed; install mcp-django-channels[{extra}]",
            name=error.name,
        ) from None
