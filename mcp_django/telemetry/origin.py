"""The trace that a request belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from mcp_django.server.requests import Request
from mcp_django.telemetry.attributes import comes_by_websocket


def origin_of(request: Request, ambient: Context) -> tuple[Context, Sequence[Link]]:
    """Find the trace that a request goes on with.

    What the client says in `_meta` goes first, as it is about this very message; the
    span around it, such as that of the HTTP request, is linked then. Without it the
    span around is the parent, and without that what the HTTP headers say. A WebSocket's
    say nothing of single messages.

    Args:
        request: The request.
        ambient: What is around it here.

    Returns:
        The context of the span's parent, and links to what else caused it.
    """
    around = trace.get_current_span(ambient).get_span_context()
    told = _extract(request.meta, ambient)
    if told is not None:
        return told, [Link(around)] if around.is_valid else []
    if not around.is_valid and not comes_by_websocket(request):
        told = _extract(request.sender.headers, ambient)
    return ambient if told is None else told, []


def _extract(carrier: Mapping[str, Any], ambient: Context) -> Context | None:
    """Read where a trace comes from; None if nothing, or nothing valid, is said."""
    texts = {
        field: text
        for field in propagate.get_global_textmap().fields
        if isinstance(text := carrier.get(field), str)
    }
    if not texts:
        return None
    alone = propagate.extract(texts, Context())
    if not trace.get_current_span(alone).get_span_context().is_valid:
        return None
    return propagate.extract(texts, ambient)
