"""Telemetry: spans and measurements of requests and sessions. Optional::

    INSTALLED_APPS = [..., "mcp_django.telemetry"]

Needs `mcp-django-channels[otel]`. Where spans and metrics go is for the project to say,
by OpenTelemetry's own SDK.

`apps` begins it. `requests` makes spans of what is answered here, and measures it,
`calls` of what is asked elsewhere, and `sessions` measures those of clients. `origin`
finds the trace that a request belongs to, `attributes` says what is told, and
`instruments` are what it is told to.
"""
