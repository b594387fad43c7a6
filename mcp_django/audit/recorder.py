"""Makes an entry of each request that has ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.core import mail
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.module_loading import import_string

from mcp_django.audit.models import Entry
from mcp_django.audit.writer import Writer
from mcp_django.bulkheads.throttle import Throttle
from mcp_django.conf import mcp_settings
from mcp_django.server.context import Context
from mcp_django.server.observers import End
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server

logger = logging.getLogger("mcp_django.audit")

_MAX_DETAILS: Final = 10_000
_failures = Throttle()


class Recorder:
    """Observes requests; hands an entry of each to a writer.

    Args:
        add: Takes entries, and does not wait.
    """

    def __init__(self, add: Callable[[Entry], None]) -> None:
        self._add = add

    def begin(self, server: Server, request: Request) -> End | None:
        """See that a request begins."""

        def end(outcome: Outcome, seconds: float) -> None:
            self._add(entry_of(server, request, outcome, seconds))

        return end


def entry_of(
    server: Server, request: Request, outcome: Outcome, seconds: float
) -> Entry:
    """Make the entry of a request that has ended."""
    user = Context(server, request).user
    sender, client, feature = request.sender, request.peer.client_info, request.feature
    return Entry(
        time=timezone.now() - timedelta(seconds=seconds),
        server=_text(server.name, 200),
        method=_text(request.method, 100),
        feature_kind="" if feature is None else feature.kind,
        feature="" if feature is None else _text(feature.name, 200),
        user_pk="" if user.pk is None else _text(str(user.pk), 64),
        username="" if user.pk is None else _text(user.get_username(), 200),
        credential=_text(sender.credential_label, 200),
        client_name=_text(client.name, 200),
        client_version=_text(client.version, 100),
        protocol_version=request.version,
        address=_text(sender.address, 64),
        outcome=outcome.kind,
        reason=_text(outcome.reason or "", 500),
        error="" if outcome.error is None else _text(type(outcome.error).__name__, 200),
        seconds=seconds,
        details=_details(server, request),
    )


def _text(text: str, length: int) -> str:
    """Cut a text, and leave out what databases do not take."""
    text = text[:length]
    if text.isascii() and "\0" not in text:  # mostly
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode()


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
        written = json.dumps(found, cls=DjangoJSONEncoder)
        if len(written) > _MAX_DETAILS:
            raise ValueError(
                f"the details take {len(written)} characters, and at most "
                f"{_MAX_DETAILS} are kept"
            )
        # PostgreSQL takes no such character.
        return json.loads(written.replace("\\u0000", ""))
    except Exception as error:
        if count := _failures.note():
            logger.error(
                "MCP['AUDIT_DETAILS'] failed, %d times since the last such line: the "
                "entries have no details",
                count,
                exc_info=error,
            )
        return None


class _RecorderOfSite(Recorder):
    """Records nothing in tests of the site, which may use no database there."""

    def begin(self, server: Server, request: Request) -> End | None:
        """See that a request begins, unless Django's own sign says that it tests."""
        return None if hasattr(mail, "outbox") else super().begin(server, request)


writer: Final = Writer()
"""Of this process."""

recorder: Final = _RecorderOfSite(writer.add)
