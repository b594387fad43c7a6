"""What operators end: whose, opened by what, or the calls of a feature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final, Literal, Self, TypeAlias

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.auth.interface import Identity
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.uris.identity import matches
from mcp_django.worker.connections import OpenConnection, answer_and_close

By: TypeAlias = Literal["all", "user", "credential", "program", "feature", "connection"]
"""What is named: users by primary key, credentials by `Identity.label`, programs by
`Identity.program`, features such as "tool:refund", connections by the `id` that
`worker.listed` tells of them."""

_ENDED: Final = ErrorAnswer(INTERNAL_ERROR, "the request was ended by an operator")
_NAMED_IN: Final = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
}
"""Method -> the kind of feature that it asks for, and the parameter that names it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What an operator ends.

    Attributes:
        by: What is named.
        names: Its names; one of them is enough. [""] of everything.
        before: When, in seconds since the epoch: sessions end that were opened earlier.
        server: The server of a feature; "" for all.
        is_kept: Whether the cache knows, for workers that start later.
    """

    by: By
    names: list[str]
    before: float
    server: str = ""
    is_kept: bool = True

    @classmethod
    def of_json(cls, ask: JSONObject) -> Self:
        """Read what one worker tells another."""
        return cls(
            ask["by"], ask["names"], ask["before"], ask["server"], ask["is_kept"]
        )

    def as_json(self) -> JSONObject:
        """Write it for another worker."""
        return asdict(self)

    def is_opened_by(self, identity: Identity) -> bool:
        """Say whether what an identity has opened is meant."""
        match self.by:
            case "all":
                return True
            case "user":
                return identity.owner in self.names
            case "credential":
                return identity.label in self.names
            case "program":
                return identity.program in self.names
            case "feature" | "connection":
                return False

    def requests_of(self, connection: OpenConnection) -> list[Request]:
        """Give the requests that run or wait there, and whose feature is meant."""
        server = connection.served_by
        if self.server and (server is None or server.name != self.server):
            return []
        return [
            request
            for request in (*connection.running, *connection.waiting)
            if not set(names_of(request, server)).isdisjoint(self.names)
        ]


async def end_connection(connection: OpenConnection) -> None:
    """End what runs there with an error that says why, and then the connection."""
    await answer_and_close(connection, _ENDED, "operator")


async def end_one(connection: OpenConnection) -> None:
    """End a connection, and the session that it belongs to."""
    await end_connection(connection)
    await connection.end_session()


async def end_requests(connection: OpenConnection, ended: list[Request]) -> None:
    """End some requests with an error that says why; the connection stays."""
    await connection.end_running(lambda request: request in ended, _ENDED)


def name_of(request: Request) -> str:
    """Name what a request concerns: `tool:refund`, or else its method."""
    feature = request.feature
    return request.method if feature is None else f"{feature.kind}:{feature.name}"


def names_of(request: Request, server: Server | None) -> Iterator[str]:
    """Name what a request concerns, also where it still waits to be handled.

    The URI of a resource may be that of several templates: which of them its user may
    read is not known before.
    """
    if request.feature is not None:
        yield name_of(request)
        return
    kind, parameter = _NAMED_IN.get(request.method, ("", ""))
    name = request.params.get(parameter)
    if not isinstance(name, str):
        return
    yield f"{kind}:{name}"
    if kind == "resource" and server is not None:
        for resource, _ in matches(server.resources, name):
            feature = resource.handler.feature
            if feature is not None:
                yield f"{kind}:{feature.name}"
