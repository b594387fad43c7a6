"""The Django app, which begins the telemetry when Django starts."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from mcp_django.client.observers import observe as observe_calls
from mcp_django.server.observers import observe
from mcp_django.signals import session_closed


class TelemetryConfig(AppConfig):
    """Begins to make spans and to measure."""

    name = "mcp_django.telemetry"
    label = "mcp_telemetry"
    verbose_name = _("MCP telemetry")

    def ready(self) -> None:
        """Let each request and session be seen from now on.

        Raises:
            ImproperlyConfigured: OpenTelemetry is not installed.
        """
        try:
            # Imported late, so that it can be said what is missing.
            from mcp_django.telemetry.calls import CallTelemetry
            from mcp_django.telemetry.requests import RequestTelemetry
            from mcp_django.telemetry.sessions import SessionTelemetry
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "opentelemetry":
                raise
            raise ImproperlyConfigured(
                "mcp_django.telemetry in INSTALLED_APPS needs OpenTelemetry; install "
                "mcp-django-channels[otel], or take the app out"
            ) from error
        observe(RequestTelemetry())
        observe_calls(CallTelemetry())
        session_closed.connect(
            SessionTelemetry().measure, weak=False, dispatch_uid=self.label
        )
