"""What is said of arguments that do not fit."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_django.exceptions import ToolError


class InvalidArguments(ToolError):
    """The arguments of a call do not fit; the text tells the model how to do better.

    Spec: 2025-11-25 server/tools, "Error Handling", "Input validation errors".
    """


def invalid(name: str, problems: str) -> InvalidArguments:
    """Say what is wrong with the arguments of a feature."""
    return InvalidArguments(f"invalid arguments for {name}: {problems}")


def no_json(error: ValueError) -> str:
    """Say why a value is no JSON."""
    return str(error).removeprefix("Error serializing to JSON: ")


def check_rest(rest: Iterable[str], taken: frozenset[str], name: str) -> None:
    """Refuse arguments for `**kwargs` under names that something else fills."""
    if not taken.isdisjoint(rest):
        raise invalid(name, f"{min(taken.intersection(rest))}: unexpected argument")
