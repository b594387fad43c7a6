"""Health: what load balancers and Kubernetes ask a process. Optional::

    path("mcp/health/", include("mcp_django.health"))

`mcp/health/live` says that the process answers at all, `mcp/health/ready` whether it
shall be sent requests: 200 or 503, with a few words of JSON.

`probes` has the two views, `services` asks what a process needs, and `middleware` lets
them through where Django's middleware stands before them.
"""

from __future__ import annotations

from django.urls import re_path

from mcp_django.health.middleware import HealthMiddleware
from mcp_django.health.probes import Live, Ready

__all__ = ["HealthMiddleware", "app_name", "urlpatterns"]

app_name = "mcp_health"

urlpatterns = [
    re_path(r"^live/?$", Live(), name="live"),
    re_path(r"^ready/?$", Ready(), name="ready"),
]
