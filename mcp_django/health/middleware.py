"""Middleware for sites whose health probes are reached through Django's middleware."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from mcp_django.middleware import EarlyMiddleware
from mcp_django.server.endpoints import Probe
from mcp_django.server.routes import direct_view_at


class HealthMiddleware(EarlyMiddleware):
    """Answers health probes before other middleware does.

    Needed under WSGI, and under ASGI without `mcp_django.asgi`: there
    `SecurityMiddleware` would redirect a probe to HTTPS, and others refuse its Host.
    Put it first in `MIDDLEWARE`.
    """

    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a probe, or pass the request on."""
        probe = direct_view_at(request.path_info)
        answer: Any = probe if isinstance(probe, Probe) else self._get_response
        if iscoroutinefunction(self) or answer is self._get_response:
            response: HttpResponseBase = answer(request)
        else:
            response = async_to_sync(answer)(request)
        return response
