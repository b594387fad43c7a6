"""A span and a measurement for each request."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Final

from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from mcp_django.exceptions import ErrorAnswer
from mcp_django.server.observers import End
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.telemetry.attributes import attributes_of, measured_of, name_of
from mcp_django.telemetry.origin import origin_of

_NAME: Final = "mcp_django"
_BUCKETS: Final = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
    *(10.0, 30.0, 60.0, 120.0, 300.0),
)
"""Bounds in seconds, as the conventions want them."""


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
        release = version("mcp-django-channels")
        self._tracer = trace.get_tracer(_NAME, release, tracer_provider)
        self._durations = metrics.get_meter(
            _NAME, release, meter_provider
        ).create_histogram(
            "mcp.server.operation.duration",
            unit="s",
            description="How long MCP requests take to be answered",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )

    def begin(self, server: Server, request: Request) -> End:
        """Begin the span of a request, and make it the current one."""
        before = context.get_current()
        parent, links = origin_of(request, before)
        span = self._tracer.start_span(
            request.method, parent, SpanKind.SERVER, attributes_of(request), links
        )
        context.attach(trace.set_span_in_context(span, parent))
        return partial(self._end, request, span, before)

    def _end(
        self,
        request: Request,
        span: Span,
        before: Context,
        outcome: Outcome,
        seconds: float,
    ) -> None:
        measured = measured_of(request, outcome)
        within = trace.set_span_in_context(span)
        self._durations.record(seconds, measured, context=within)
        if span.is_recording():
            _tell_end(span, outcome, measured.get("error.type"))
            span.update_name(name_of(request, measured))
        span.end()
        # This may run in another context than what began, where nothing is to be put
        # back; a token of it could not be used there.
        if trace.get_current_span() is span:
            context.attach(before)


def _tell_end(span: Span, outcome: Outcome, error_type: str | None) -> None:
    if error_type is None:
        return
    span.set_attribute("error.type", error_type)
    error, description = outcome.error, None
    if isinstance(error, ErrorAnswer):
        span.set_attribute("rpc.response.status_code", str(error.code))
        description = str(error.message)
    elif outcome.kind == "failed" and error is not None:
        span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, description))
