"""Errors of the server that have a form of their own, and what is told of failures."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from mcp_types.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND

from mcp_django.bulkheads.strays import Stray
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.eras import Era

UNKNOWN: Final = "unknown"
NOT_PERMITTED: Final = "not permitted"
SWITCHED_OFF: Final = "switched off"
"""Why a feature was refused, for the site; clients take the second for the first."""

INTERNAL_ERROR_TEXT: Final = "Internal error"

MAX_SHOWN: Final = 200
"""Characters shown of what a client named."""

_MAX_DETAILS: Final = 1000


def with_details(text: str, error: BaseException) -> str:
    """Add to a neutral text what was raised, where Django shows as much: in `DEBUG`."""
    if not settings.DEBUG:
        return text
    if isinstance(error, Stray) and error.__cause__ is not None:
        error = error.__cause__
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    try:
        said = str(error)
    except BaseException:  # whatever the site's code raises
        said = "its text cannot be made"
    details = ": ".join(filter(None, (type(error).__qualname__, said)))
    # Whatever an exception holds, it can be sent.
    details = details[:_MAX_DETAILS].encode(errors="backslashreplace").decode()
    return f"{text}: {details}"


def unknown_feature(kind: str, name: str, reason: str) -> ErrorAnswer:
    """Refuse a feature in the same words, whether or not there is one.

    Args:
        kind: What was asked for.
        name: As the client named it.
        reason: For the site.
    """
    error = ErrorAnswer(INVALID_PARAMS, f"Unknown {kind}: {name[:MAX_SHOWN]}")
    error.reason = reason
    return error


def unknown_method(method: str) -> ErrorAnswer:
    """Refuse a method that the server does not offer, or not here."""
    return ErrorAnswer(METHOD_NOT_FOUND, f"unknown method: {method}")


class ResourceNotFound(ErrorAnswer):
    """There is no resource at a URI, or none that the user may read.

    A handler of a template raises it without arguments for what it does not find.

    Args:
        uri: The URI; filled in with that of the request if left out.
    """

    def __init__(self, uri: str | None = None) -> None:
        super().__init__(INVALID_PARAMS, "Resource not found")
        self.uri = uri
        self.reason = UNKNOWN

    @classmethod
    def of_fault(
        cls, uri: str, fault: str, reason: str | None = None
    ) -> ResourceNotFound:
        """Refuse a URI that a resource does not take, and say why.

        Args:
            uri: As the client wrote it.
            fault: What is wrong with it, as a clause.
            reason: For the site, if it is another.
        """
        error = cls(uri)
        error.message = f"{error.message}: {fault}"
        error.args = (error.message,)
        error.reason = reason or fault
        return error

    def in_era(self, era: Era, uri: str) -> ErrorAnswer:
        """Give the error for a URI as an era has it."""
        answer = ErrorAnswer(era.resource_not_found, self.message, {"uri": uri})
        answer.reason = self.reason
        return answer
