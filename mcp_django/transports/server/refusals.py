"""HTTP requests that are refused, wherever that is decided."""

from __future__ import annotations

from typing import Final, Self

from mcp_types.jsonrpc import INVALID_REQUEST

from mcp_django.exceptions import AuthenticationFailed, ServiceAway
from mcp_django.transports.server.http_response import Headers

RETRY_LATER: Final[Headers] = ((b"retry-after", b"1"),)
"""Of a refusal for want of room, which another second may bring."""


class Refused(Exception):
    """The exchange ends here, with this answer.

    Attributes:
        status: HTTP status.
        message: One sentence for the reader of the answer.
        code: JSON-RPC error code.
        headers: HTTP headers beside the usual ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: int = INVALID_REQUEST,
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers

    @classmethod
    def by(cls, error: ServiceAway | AuthenticationFailed) -> Self:
        """Refuse because of an error that has an HTTP status of its own."""
        return cls(
            error.status, str(error.message), code=error.code, headers=error.headers
        )
