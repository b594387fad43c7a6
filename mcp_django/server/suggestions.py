"""Leaving out of suggestions what their user may not see."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import Signature, read_signature
from mcp_django.server.functions import innermost_of
from mcp_django.server.permissions import Condition, Permissions
from mcp_django.server.requests import Request
from mcp_django.server.rights import hold

if TYPE_CHECKING:
    from mcp_django.server.server import Server

MAX_EXAMINED: Final = 1000
"""Suggestions for which it is asked whether their user may see them."""


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A permission for one object, for where not all arguments are known yet.

    Attributes:
        condition: The permission.
        signature: Takes those arguments only that the permission takes.
    """

    condition: Condition
    signature: Signature

    def is_decided_by(self, known: Mapping[str, str]) -> bool:
        """Say whether these arguments are enough to ask."""
        return all(
            parameter.name in known
            for parameter in self.signature.parameters
            if parameter.required
        )

    def takes(self, argument: str) -> bool:
        """Say whether an argument matters to it."""
        return any(p.name == argument for p in self.signature.parameters)

    async def admits(
        self, server: Server, request: Request, known: Mapping[str, str]
    ) -> bool:
        """Say whether the user may use the feature with these arguments."""
        given = {
            parameter.name: known[parameter.name]
            for parameter in self.signature.parameters
            if parameter.name in known
        }
        try:
            values = self.signature.arguments(given)
        except InvalidArguments:
            return False  # The handler would not take them either.
        return await hold(server, request, [self.condition], values)


def guards_of(permission: Permissions | None, handler: Signature) -> tuple[Guard, ...]:
    """Make the guards of a feature's suggestions."""
    if permission is None:
        return ()
    return tuple(
        Guard(condition, _part_of(handler, condition.takes))
        for condition in permission.particular
    )


async def visible(
    server: Server,
    request: Request,
    guards: Sequence[Guard],
    argument: str,
    values: Sequence[str],
    others: Mapping[str, str],
    *,
    at_most: int,
) -> tuple[list[str], bool]:
    """Keep the suggestions that the user may use the feature with.

    What an argument decides that is not known yet is not asked.

    Args:
        server: Where the feature is.
        request: Of the user who asks.
        guards: Of the feature.
        argument: What the values are suggested for.
        values: The suggestions, best first.
        others: The other arguments that are known, as the client sent them.
        at_most: How many to keep.

    Returns:
        Those kept, and whether all that there are.
    """
    here = [guard for guard in guards if guard.takes(argument)]
    for guard in guards:
        if (
            guard not in here
            and guard.is_decided_by(others)
            and not await guard.admits(server, request, others)
        ):
            return [], True
    kept: list[str] = []
    for value in values[:MAX_EXAMINED]:
        known = {**others, argument: value}
        for guard in here:
            if guard.is_decided_by(known) and not await guard.admits(
                server, request, known
            ):
                break
        else:
            if len(kept) == at_most:
                return kept, False
            kept.append(value)
    return kept, len(values) <= MAX_EXAMINED


def _part_of(handler: Signature, names: Mapping[str, Any] | None) -> Signature:
    """Read the signature of a function with some of a handler's parameters."""
    hints = get_type_hints(innermost_of(handler.function), include_extras=True)
    parameters: dict[str, inspect.Parameter] = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=str)
        for name in names or ()  # such as `**kwargs` collects
    }
    for name, parameter in inspect.signature(handler.function).parameters.items():
        is_taken = names is None or name in names
        is_rest = parameter.kind is parameter.VAR_KEYWORD
        if is_taken and not is_rest and name != handler.context_parameter:
            parameters[name] = parameter.replace(
                kind=inspect.Parameter.KEYWORD_ONLY,
                annotation=hints.get(name, parameter.annotation),
            )

    def part(**values: Any) -> None: ...

    part.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    part.__annotations__ = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if parameter.annotation is not inspect.Parameter.empty
    }
    return read_signature(part, name="permission")
