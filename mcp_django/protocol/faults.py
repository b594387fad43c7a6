"""What is wrong with a message, in words."""

from __future__ import annotations

from pydantic import ValidationError


def describe_faults(error: ValidationError, what: str = "params") -> str:
    """Say in one sentence what is wrong with the `params` of a message, or in them."""
    faults = error.errors(include_url=False, include_input=False)[:3]
    return f"invalid {what}: " + "; ".join(
        ": ".join([*_place(fault["loc"]), fault["msg"]]) for fault in faults
    )


def _place(location: tuple[int | str, ...]) -> list[str]:
    return [".".join(str(part) for part in location)] if location else []
