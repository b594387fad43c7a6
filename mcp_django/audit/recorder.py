"""Makes an entry of each request that has ended."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core import mail
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.module_loading import import_string

from mcp_django.audit.rows import Row, without_halves
from mcp_django.audit.writer import Writer
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.server.context import Context
from mcp_django.server.observers import End
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server

logger = FaultLog("mcp_django.audit")

_MAX_DETAILS: Final = 10_000
_MAX_TEXT: Final = 500
_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""In JSON; PostgreSQL takes none."""


class Recorder:
    """Observes requests; hands an entry of each to a writer.

    Args:
        add: Takes the rows of entries, and does not wait.
    """

    def __init__(self, add: Callable[[Row], None]) -> None:
        self._add = add

    def begin(self, server: Server, request: Request) -> End | None:
        """See that a request begins."""

        def end(outcome: Outcome, seconds: float) -> None:
            self._add(row_of(server, request, outcome, seconds))

        return end


def row_of(server: Server, request: Request, outcome: Outcome, seconds: float) -> Row:
    """Make the row of a request that has ended; on the path of each.

    Only what clients and handlers may make as long as they like is cut here, so that
    little is kept; the rest where it is written.
    """
    sender, client, feature = request.sender, request.peer.client_info, request.feature
    user = sender.user
    key = None if user is None else user.pk
    reason, error = outcome.reason, outcome.error
    describe = mcp_settings.AUDIT_DETAILS
    fields = (
        time.time() - seconds,
        server.name,
        request.method,
        "" if feature is None else feature.kind,
        "" if feature is None else feature.name[:_MAX_TEXT],
        "" if key is None else str(key),
        "" if key is None else user.get_username(),
        sender.credential_label,
        client.name[:_MAX_TEXT],
        client.version[:_MAX_TEXT],
        request.version,
        sender.address,
        outcome.kind,
        "" if reason is None else reason[:_MAX_TEXT],
        "" if error is None else type(error).__name__,
        seconds,
        None if describe is None else _details(describe, server, request),
    )
    return tuple.__new__(Row, fields)  # Row(...) would take as long as all of them


def _details(describe: Any, server: Server, request: Request) -> Any:
    """Give what the project's own function says of a request."""
    try:
        if isinstance(describe, str):
            describe = import_string(describe)
        arguments = request.params.get("arguments")
        found = describe(
            Context(server, request),
            arguments if isinstance(arguments, Mapping) else {},
        )
        if found is None:
            return None
        written = json.dumps(
            found, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False
        )
        if len(written) > _MAX_DETAILS:
            raise ValueError(
                f"the details take {len(written)} characters, and at most "
                f"{_MAX_DETAILS} are kept"
            )
        return json.loads(_NUL.sub(r"\1", without_halves(written)))
    except Exception as error:
        logger.error(
            "MCP['AUDIT_DETAILS'] failed, so that entries have no details; mend it",
            exc_info=error,
        )
        return None


def _add(row: Row) -> None:
    """Have an entry written, except in tests of the site, which may use no database."""
    if "outbox" not in vars(mail):  # Django's own sign of tests
        writer.add(row)


writer: Final = Writer()
"""Of this process."""

recorder: Final = Recorder(_add)
