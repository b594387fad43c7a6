"""A span and a measurement for each request that is sent to a server elsewhere."""

from __future__ import annotations

import time
from contextvars import Token
from functools import partial

from mcp_types.jsonrpc import JSONRPCError, JSONRPCRequest
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind, TracerProvider

from mcp_django.client.observers import Answer, End, EndSession, FarEnd, add_meta
from mcp_django.telemetry.attributes import (
    Attributes,
    attributes_of_call,
    kind_of,
    measured_of_call,
    name_of,
    way_to,
)
from mcp_django.telemetry.instruments import histogram_of, tell_error, tracer_of
from mcp_django.telemetry.origin import origin_by_meta


class CallTelemetry:
    """Makes a span for each request, tells the server of it, and measures.

    The span is the current one where the request is sent, so that what an
    instrumentation of HTTP sees becomes part of it.

    Args:
        tracer_provider: Where spans go; the global one if left out.
        meter_provider: Where measurements go; the global one if left out.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._tracer = tracer_of(tracer_provider)
        self._durations = histogram_of(
            meter_provider,
            "mcp.client.operation.duration",
            "How long MCP servers take to answer requests",
        )
        self._session_durations = histogram_of(
            meter_provider,
            "mcp.client.session.duration",
            "How long sessions with MCP servers last",
        )

    def begin(self, request: JSONRPCRequest, far_end: FarEnd) -> End:
        """Begin the span of a request, and name it in `_meta`.

        One that comes from another program, over a bridge, may name a span there: that
        is the parent then.
        """
        asked = attributes_of_call(request, far_end)
        meta = (request.params or {}).get("_meta") or {}
        parent, links = origin_by_meta(meta, context.get_current())
        name = name_of(request.method, asked)
        span = self._tracer.start_span(name, parent, SpanKind.CLIENT, asked, links)
        within = trace.set_span_in_context(span, parent)
        carrier: dict[str, str] = {}
        propagate.inject(carrier, within)
        if carrier:
            add_meta(request, carrier)
        token = context.attach(within)
        return partial(self._end, asked, within, token, time.perf_counter())

    def _end(
        self,
        asked: Attributes,
        within: Context,
        token: Token[Context],
        began: float,
        answer: Answer | None,
        failure: BaseException | None,
    ) -> None:
        seconds = time.perf_counter() - began
        measured = measured_of_call(asked, answer, failure)
        self._durations.record(seconds, measured, context=within)
        span = trace.get_current_span(within)
        if "error.type" in measured and span.is_recording():
            error = answer.error if isinstance(answer, JSONRPCError) else None
            raised = failure if isinstance(failure, Exception) else None
            tell_error(span, measured, error and error.message, raised)
        span.end()
        context.detach(token)

    def begin_session(self, far_end: FarEnd) -> EndSession:
        """Begin to measure a session."""
        return partial(self._end_session, far_end, time.monotonic())

    def _end_session(
        self, far_end: FarEnd, began: float, why: Exception | None
    ) -> None:
        told = way_to(far_end)
        if why is not None:
            told["error.type"] = kind_of(why)
        self._session_durations.record(time.monotonic() - began, told)
