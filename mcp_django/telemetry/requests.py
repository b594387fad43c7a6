"""A span and a measurement for each request that is answered here."""

from __future__ import annotations

from functools import partial

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, TracerProvider

from mcp_django.exceptions import ErrorAnswer
from mcp_django.server.observers import End
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.telemetry.attributes import attributes_of, measured_of, name_of
from mcp_django.telemetry.instruments import histogram_of, tell_error, tracer_of
from mcp_django.telemetry.origin import origin_of


class RequestTelemetry:
    """Makes a span for each request, and measures how long it takes.

    The span is the current one for the handler, in threads too, so that what it does
    becomes part of it, such as queries that another instrumentation sees.

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
            "mcp.server.operation.duration",
            "How long MCP requests take to be answered",
        )

    def begin(self, server: Server, request: Request) -> End:
        """Begin the span of a request, and make it the current one."""
        before = context.get_current()
        parent, links = origin_of(request, before)
        span = self._tracer.start_span(
            request.method, parent, SpanKind.SERVER, attributes_of(request), links
        )
        within = trace.set_span_in_context(span, parent)
        context.attach(within)
        return partial(self._end, request, span, within, before)

    def _end(
        self,
        request: Request,
        span: Span,
        within: Context,
        before: Context,
        outcome: Outcome,
        seconds: float,
    ) -> None:
        measured = measured_of(request, outcome)
        self._durations.record(seconds, measured, context=within)
        if span.is_recording():
            if "error.type" in measured:
                error = outcome.error
                refusal = error.message if isinstance(error, ErrorAnswer) else None
                failure = error if outcome.kind == "failed" else None
                tell_error(span, measured, refusal, failure)
            span.update_name(name_of(request.method, measured))
        span.end()
        # This may run in another context than what began, where nothing is to be put
        # back; a token of it could not be used there.
        if trace.get_current_span() is span:
            context.attach(before)
