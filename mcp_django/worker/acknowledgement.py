"""What a POST is answered, by whichever worker took its message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.error_codes import SESSION_NOT_FOUND
from mcp_django.transports.server.http_response import Headers
from mcp_django.transports.server.refusals import RETRY_LATER


@dataclass(frozen=True, slots=True)
class Taken:
    """What to answer to a POST.

    Attributes:
        status: HTTP status; 202 says that the session took the message.
        body: JSON bytes, empty for 202.
        headers: HTTP headers that go with it.
    """

    status: int
    body: bytes = b""
    headers: Headers = field(init=False)

    def __post_init__(self) -> None:
        headers = RETRY_LATER if self.status == 503 else ()
        object.__setattr__(self, "headers", headers)


def refusal(
    status: int, message: str, *, code: int = INTERNAL_ERROR, data: Any = None
) -> Taken:
    """Make the answer to a POST that was not taken: a JSON-RPC error without id."""
    return Taken(status, jsonrpc.serialize(jsonrpc.error(None, code, message, data)))


ACCEPTED: Final = Taken(202)

NOT_FOUND: Final = refusal(404, "Session not found", code=SESSION_NOT_FOUND)
"""One answer for all: no client learns whether a session of another user exists."""

FULL: Final = refusal(503, "The session has no room for more requests; try again later")

BROKEN: Final = refusal(503, "The session cannot be reached now; try again later")
