"""Errors of the server that have a form of their own in each protocol version."""

from __future__ import annotations

from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django.exceptions import ErrorAnswer

RESOURCE_NOT_FOUND = -32002
"""Until 2025-11-25; later versions have -32602 for it.

Spec: 2025-11-25 server/resources, "Error Handling".
"""


class ResourceNotFound(ErrorAnswer):
    """There is no resource at a URI, or none that the user may read.

    A handler of a template raises it without arguments for what it does not find.

    Args:
        uri: The URI; filled in with that of the request if left out.
    """

    def __init__(self, uri: str | None = None) -> None:
        super().__init__(INVALID_PARAMS, "Resource not found")
        self.uri = uri
