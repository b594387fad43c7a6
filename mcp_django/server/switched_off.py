"""Features that an operator has switched off, for every user.

What knows of them fills `switched_off`, such as the app `mcp_django.switches`. Requests
look at `switched_off.is_any` alone as long as it is False.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django.exceptions import ErrorAnswer, ToolError
from mcp_django.server.errors import MAX_SHOWN, SWITCHED_OFF
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.requests import Request
from mcp_django.server.uris.identity import matches

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Kind: TypeAlias = Literal["tool", "resource", "prompt"]
Feature = TypeVar("Feature", bound=Tool | Resource | Prompt)
Learn: TypeAlias = Callable[[Request], Awaitable[None]]

TEXT: Final = "is switched off by the operator of this server; try again later"


@dataclass(frozen=True, slots=True)
class SwitchedFeature:
    """What is switched off.

    Attributes:
        kind: Of the feature.
        name: Of a tool or prompt its name; of a resource its URI or template, as it was
            registered.
        server: Name of the server that has it; "" for all that have one.
    """

    kind: Kind
    name: str
    server: str = ""

    def __str__(self) -> str:
        """Name it as `mcp_status --end feature:` does."""
        name = f"{self.kind}:{self.name}"
        return f"{self.server}/{name}" if self.server else name


class SwitchedOff:
    """Which features are switched off, as far as this process knows.

    Attributes:
        is_any: Whether one may be; looked at before anything else is asked.
        features: Each that is known.
        learn: Called before it is said of a feature; makes sure that `features` are
            those that count, or raises `ServiceAway`. None where nothing fills it.
        refresh: The same for what is no request and may wait, such as a command; raises
            Django's `DatabaseError`. None where nothing fills it.
    """

    __slots__ = ("features", "is_any", "learn", "refresh")

    def __init__(self) -> None:
        self.is_any = False
        self.features: frozenset[SwitchedFeature] = frozenset()
        self.learn: Learn | None = None
        self.refresh: Callable[[], None] | None = None

    def set(self, features: Iterable[SwitchedFeature]) -> None:
        """Let these be switched off from now on, and no others."""
        found = frozenset(features)
        # The same object while they are the same: by that others see that they are.
        if found != self.features:
            self.features = found
        self.is_any = bool(found)

    def covers(self, server: Server, feature: Tool | Resource | Prompt) -> bool:
        """Say whether a feature is switched off, as far as is known."""
        named = feature.handler.feature
        if named is None:
            return False
        kind, name = named.kind, named.name
        return not self.features.isdisjoint(
            (SwitchedFeature(kind, name), SwitchedFeature(kind, name, server.name))
        )

    async def has(
        self, server: Server, request: Request, feature: Tool | Resource | Prompt
    ) -> bool:
        """Say whether a feature is switched off.

        Raises:
            ServiceAway: That is not known yet, and cannot be asked now.
        """
        if self.learn is not None:
            await self.learn(request)
        return self.covers(server, feature)

    async def without(
        self, server: Server, request: Request, features: Iterable[Feature]
    ) -> Sequence[Feature]:
        """Keep the features that are not switched off.

        Raises:
            ServiceAway: As for `has`.
        """
        if self.learn is not None:
            await self.learn(request)
        return [feature for feature in features if not self.covers(server, feature)]

    def hides(self, server: Server, uri: str) -> bool:
        """Say whether all that could be read at a URI is switched off."""
        found = [resource for resource, _ in matches(server.resources, uri)]
        return bool(found) and all(self.covers(server, each) for each in found)


switched_off: Final = SwitchedOff()
"""Of this process."""


def refused(request: Request, kind: str, name: str) -> Exception:
    """Make the answer to what needs a feature that is switched off.

    Only users learn of it who may use the feature; a model reads it as a failure of the
    tool, and can say so.

    Args:
        request: What was asked.
        kind: Of the feature.
        name: As the client named it.
    """
    text = f"{kind} {name[:MAX_SHOWN]!r} {TEXT}"
    if request.method == "tools/call":
        request.refused_because = SWITCHED_OFF
        return ToolError(text)
    error = ErrorAnswer(INVALID_PARAMS, text)
    error.reason = SWITCHED_OFF
    return error
