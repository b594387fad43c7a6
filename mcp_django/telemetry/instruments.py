"""What spans and measurements are told to."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import Histogram, MeterProvider
from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider

from mcp_django.telemetry.attributes import Attributes

_NAME: Final = "mcp_django"
_RELEASE: Final = version("mcp-django-channels")
_BUCKETS: Final = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
    *(10.0, 30.0, 60.0, 120.0, 300.0),
)
"""Bounds in seconds, as the conventions want them of all four histograms."""


def tracer_of(provider: TracerProvider | None) -> Tracer:
    """Give what makes spans.

    Args:
        provider: Where they go; the global one if None.
    """
    return trace.get_tracer(_NAME, _RELEASE, provider)


def histogram_of(
    provider: MeterProvider | None, name: str, description: str
) -> Histogram:
    """Give what counts durations.

    Args:
        provider: Where they go; the global one if None.
        name: By the conventions.
        description: For people.
    """
    meter = metrics.get_meter(_NAME, _RELEASE, provider)
    return meter.create_histogram(
        name,
        unit="s",
        description=description,
        explicit_bucket_boundaries_advisory=_BUCKETS,
    )


def tell_error(
    span: Span,
    measured: Attributes,
    refusal: object,
    failure: BaseException | None,
) -> None:
    """Say in a span how its request failed.

    Args:
        span: Of a request that ended with an error.
        measured: What its time is counted by, among which is the error.
        refusal: Message of the JSON-RPC error, a text that may be lazy; None for none.
        failure: The unexpected exception; None for none.
    """
    for name in ("error.type", "rpc.response.status_code"):
        if name in measured:
            span.set_attribute(name, measured[name])
    if failure is not None:
        span.record_exception(failure)
    description = None if refusal is None else str(refusal)
    span.set_status(Status(StatusCode.ERROR, description))
