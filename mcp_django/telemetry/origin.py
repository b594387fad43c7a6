"""The trace that a request belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from mcp_django.server.requests import Request

Origin: TypeAlias = tuple[Context, Sequence[Link]]
"""The context of a span's parent, and links to what else caused it."""

_NO_LINKS: Final[Sequence[Link]] = ()


def origin_of(request: Request, ambient: Context) -> Origin:
    """Find the trace that a request of a client goes on with.

    What the client says in `_meta` goes first, as it is about this very message; the
    span around it, such as that of the HTTP request, is linked then. Without it the
    span around is the parent, and without that what the HTTP headers say. A WebSocket's
    say nothing of single messages.

    Args:
        request: The request.
        ambient: What is around it here.
    """
    fields = propagate.get_global_textmap().fields
    told = _extract(request.meta, fields, ambient)
    if told is not None:
        return told, _links_to(ambient)
    sender = request.sender
    # On the hot path: mostly there is nothing.
    if fields.isdisjoint(sender.headers) or sender.binding == "websocket":
        return ambient, _NO_LINKS
    if trace.get_current_span(ambient).get_span_context().is_valid:
        return ambient, _NO_LINKS
    return _extract(sender.headers, fields, ambient) or ambient, _NO_LINKS


def origin_by_meta(meta: Mapping[str, Any], ambient: Context) -> Origin:
    """Find the trace that `_meta` names, or else the one around."""
    told = _extract(meta, propagate.get_global_textmap().fields, ambient)
    return (ambient, _NO_LINKS) if told is None else (told, _links_to(ambient))


def _links_to(ambient: Context) -> Sequence[Link]:
    around = trace.get_current_span(ambient).get_span_context()
    return [Link(around)] if around.is_valid else _NO_LINKS


def _extract(
    carrier: Mapping[str, Any], fields: set[str], ambient: Context
) -> Context | None:
    """Read where a trace comes from; None if nothing, or nothing valid, is said."""
    if fields.isdisjoint(carrier):
        return None
    texts = {
        field: text for field in fields if isinstance(text := carrier.get(field), str)
    }
    alone = propagate.extract(texts, Context())
    if not trace.get_current_span(alone).get_span_context().is_valid:
        return None
    return propagate.extract(texts, ambient)
