"""A measurement for each session of a client."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.metrics import MeterProvider

from mcp_django.server.session_lives import Why
from mcp_django.telemetry.attributes import network_of
from mcp_django.telemetry.instruments import histogram_of

_ERRORS: Final[frozenset[Why]] = frozenset({"unresponsive", "credentials", "error"})


class SessionTelemetry:
    """Measures how long sessions last.

    Args:
        meter_provider: Where measurements go; the global one if left out.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        self._durations = histogram_of(
            meter_provider,
            "mcp.server.session.duration",
            "How long sessions of MCP clients last",
        )

    def measure(
        self,
        *,
        protocol_version: str,
        binding: str,
        why: Why,
        seconds: float,
        **told: Any,
    ) -> None:
        """Measure a session that has ended; a receiver of `session_closed`."""
        measured = {"mcp.protocol.version": protocol_version, **network_of(binding)}
        if why in _ERRORS:
            measured["error.type"] = why
        self._durations.record(seconds, measured)
