"""What OpenTelemetry's own SDK collects in a test."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind


class Collected:
    """What was collected of the requests of a test."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def spans(self, kind: SpanKind = SpanKind.SERVER) -> Sequence[ReadableSpan]:
        """Give those of one kind, in the order in which they ended."""
        return [s for s in self._spans.get_finished_spans() if s.kind is kind]

    @property
    def span(self) -> ReadableSpan:
        """Give the one of the request that was answered."""
        [span] = self.spans()
        return span

    def points(self, name: str) -> Sequence[HistogramDataPoint]:
        """Give what was measured under a name."""
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        points: list[HistogramDataPoint] = []
        for resource in data.resource_metrics:
            for metric in resource.scope_metrics[0].metrics:
                if metric.name == name:
                    assert metric.unit == "s"
                    for point in metric.data.data_points:
                        assert isinstance(point, HistogramDataPoint)
                        points.append(point)
        return points

    @property
    def point(self) -> HistogramDataPoint:
        """Give what was measured of the request that was answered."""
        [point] = self.points("mcp.server.operation.duration")
        return point

    def shutdown(self) -> None:
        """End the SDK's threads."""
        self.tracers.shutdown()
        self.meters.shutdown()
