"""What says that a service is away, among all that code of the site may raise."""

from __future__ import annotations

import builtins
from typing import Final

from django.db import InterfaceError, InternalError, OperationalError

from mcp_django.bulkheads.missing_migrations import lacks_something
from mcp_django.exceptions import MCPError, RequestTimeout, TransportError

_AWAY: Final = (
    OperationalError,
    InterfaceError,
    OSError,
    RequestTimeout,
    TransportError,
)
_AWAY_NAMES: Final = {
    "ConnectionError",
    "TimeoutError",
    "OperationalError",
    "InterfaceError",
}
"""What libraries call their own: clients such as redis-py, and drivers (PEP 249)."""

_READ_ONLY: Final = "25006"
"""PostgreSQL's class of errors for what cannot be written now.

Others have no exception of their own for it: there it is an `OperationalError`.
"""

_MAX_CAUSES: Final = 10


def says_away(error: BaseException) -> bool:
    """Say whether what was raised tells of a service that is away.

    That is a database that cannot be asked or takes no writes, or whatever cannot be
    reached over the network. Client libraries have exceptions of their own for it,
    which say so in their name or in their cause, or were raised while they handled it.
    What Python itself raises is a mistake, whatever came before, and others of ours are
    answers.
    """
    found: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if found is not None and (isinstance(found, _AWAY) or _is_called_away(found)):
            return not lacks_something(found)
        if isinstance(found, InternalError):
            return bool(getattr(found.__cause__, "sqlstate", None) == _READ_ONLY)
        if found is None or isinstance(found, MCPError):
            return False
        is_python_s = type(found).__module__ == builtins.__name__
        hides = is_python_s or found.__suppress_context__
        found = found.__cause__ or (None if hides else found.__context__)
    return False


def _is_called_away(error: BaseException) -> bool:
    return any(kind.__name__ in _AWAY_NAMES for kind in type(error).__mro__)
