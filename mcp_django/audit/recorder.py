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

from mcp_django.audit.rows import Row
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
    """Make the row of a request that has ended; on the path of each."""
    sender, client, feature = request.sender, request.peer.client_info, request.feature
    user = sender.user
    key = None if user is None else user.pk
    return Row(  # in order: by name it would take longer
        time.time() - seconds,
        _text(server.name, 200),
        _text(request.method, 100),
        "" if feature is None else feature.kind,
        "" if feature is None else _text(feature.name, 200),
        "" if key is None else _text(str(key), 64),
        "" if key is None else _text(user.get_username(), 200),
        _text(sender.credential_label, 200),
        _text(client.name, 200),
        _text(client.version, 100),
        request.version,
        _text(sender.address, 64),
        outcome.kind,
        _text(outcome.reason, 500) if outcome.reason else "",
        "" if outcome.error is None else _text(type(outcome.error).__name__, 200),
        seconds,
        _details(server, request),
    )


def _text(text: str, length: int) -> str:
    """Cut a text, and leave out what databases do not take."""
    text = text[:length]
    if text.isascii() and "\0" not in text:  # mostly
        return text
    return _whole(text.replace("\0", ""))


def _whole(text: str) -> str:
    """Write a question mark where there is half a character."""
    return text.encode("utf-8", "replace").decode()


def _details(server: Server, request: Request) -> Any:
    """Give what the project's own function says of a request; None without one."""
    describe = mcp_settings.AUDIT_DETAILS
    if describe is None:
        return None
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
        return json.loads(_NUL.sub(r"\1", _whole(written)))
    except Exception as error:
        logger.error(
            "MCP['AUDIT_DETAILS'] failed, so that entries have no details; mend it",
            exc_info=error,
        )
        return None


class _RecorderOfSite(Recorder):
    """Records nothing in tests of the site, which may use no database there."""

    def begin(self, server: Server, request: Request) -> End | None:
        """See that a request begins, unless Django's own sign says that it tests."""
        return None if "outbox" in vars(mail) else super().begin(server, request)


writer: Final = Writer()
"""Of this process."""

recorder: Final = _RecorderOfSite(writer.add)
