"""The Django app, which begins the telemetry when Django starts."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from mcp_django.server.observers import observe


class TelemetryConfig(AppConfig):
    """Begins to make spans and to measure."""

    name = "mcp_django.telemetry"
    label = "mcp_telemetry"
    verbose_name = _("MCP telemetry")

    def ready(self) -> None:
        """Let each request be seen from now on.

        Raises:
            ImproperlyConfigured: OpenTelemetry is not installed.
        """
        try:
            # Imported late, so that it can be said what is missing.
            from mcp_django.telemetry.requests import RequestTelemetry
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "opentelemetry":
                raise
            raise ImproperlyConfigured(
                "mcp_django.telemetry in INSTALLED_APPS needs OpenTelemetry; install "
                "mcp-django-channels[otel], or take the app out"
            ) from error
        observe(RequestTelemetry())
