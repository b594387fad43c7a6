"""What is wrong with a message, in words."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

_MAX_SHOWN: Final = 100
"""Characters shown of a name."""


def describe_faults(error: ValidationError, what: str = "params") -> str:
    """Say in one sentence what is wrong with the `params` of a message, or in them."""
    faults = error.errors(include_url=False, include_input=False)[:3]
    return f"invalid {what}: " + "; ".join(
        ": ".join([*_place(fault["loc"]), fault["msg"]]) for fault in faults
    )


def _place(location: tuple[int | str, ...]) -> list[str]:
    # Names in it are the peer's.
    return [".".join(str(part)[:_MAX_SHOWN] for part in location)] if location else []
