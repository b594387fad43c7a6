"""Telemetry: a span and a measurement for each request, by OpenTelemetry. Optional::

    INSTALLED_APPS = [..., "mcp_django.telemetry"]

Needs `mcp-django-channels[otel]`. Where spans and metrics go is for the project to say,
by OpenTelemetry's own SDK.

`apps` begins it, `requests` makes spans and measures, `origin` finds the trace that a
request belongs to, and `attributes` says what is told of it.
"""
