"""CORS for MCP endpoints: django-cors-headers, and what the protocol needs beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache

from corsheaders.conf import conf as cors_settings
from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from mcp_django.consumers.origins import is_allowed_origin

ANSWERS_CORS = "mcp_answers_cors"
"""Attribute of views that say by themselves, to every origin, what CORS asks."""

_METHODS = ("DELETE", "GET", "OPTIONS", "POST")
_REQUEST_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
)
_OPEN_REQUEST_HEADERS = "accept, authorization, content-type, mcp-protocol-version"
_PREFLIGHT_SECONDS = 24 * 60 * 60
_PARAMETER_HEADER = re.compile(r"mcp-param-[a-z0-9!#$%&'*+.^_`|~-]+")
_RESPONSE_HEADERS = ("mcp-session-id", "www-authenticate")


class EndpointCorsMiddleware(CorsMiddleware):
    """django-cors-headers' middleware, knowing what MCP endpoints need.

    There, origins of `MCP["ALLOWED_ORIGINS"]` are allowed too,
    `CORS_ALLOW_ALL_ORIGINS` opens nothing, and the protocol's methods and headers are
    allowed and exposed.

    Spec: Fetch, "CORS protocol"; 2026-07-28 basic/transports/streamable-http.
    """

    def is_endpoint(self, request: HttpRequest) -> bool:
        """Say whether a request goes to an MCP endpoint."""
        return True

    def is_enabled(self, request: HttpRequest) -> bool:
        """Say whether CORS applies to a request; django-cors-headers asks this."""
        return self.is_endpoint(request) or super().is_enabled(request)

    def check_signal(self, request: HttpRequest) -> bool:
        """Say whether code of the site allows a request's origin."""
        if not self.is_endpoint(request):
            return super().check_signal(request)
        return is_allowed_origin(request, request.headers.get("Origin", ""))

    def add_response_headers(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the CORS headers to a response."""
        super().add_response_headers(request, response)
        origin = request.headers.get("Origin")
        if origin is None or not self.is_endpoint(request):
            return response
        if not is_allowed_origin(request, origin):
            for name in [
                n for n in response.headers if n.lower().startswith("access-")
            ]:
                del response.headers[name]
            return response
        response["access-control-allow-origin"] = origin
        response["access-control-expose-headers"] = _join(
            cors_settings.CORS_EXPOSE_HEADERS, _RESPONSE_HEADERS
        )
        if request.method == "OPTIONS":
            response["access-control-allow-methods"] = _join(_METHODS)
            response["access-control-allow-headers"] = _join(
                cors_settings.CORS_ALLOW_HEADERS, _REQUEST_HEADERS, _requested(request)
            )
        return response


def answer_all_origins(
    request: HttpRequest,
    methods: Collection[str],
    answer: Callable[[], HttpResponseBase],
) -> HttpResponseBase:
    """Let pages of every origin ask for something and read the answer, cookies aside.

    Only for what looks at no cookie: a page learns nothing then that it could not ask
    from anywhere else.

    Args:
        request: The request.
        methods: What may be asked, such as `["POST"]`.
        answer: Answers; not called for a preflight.

    Spec: Fetch, "CORS protocol".
    """
    if _is_preflight(request):
        response: HttpResponseBase = HttpResponse()
        response["access-control-allow-methods"] = ", ".join(methods)
        response["access-control-allow-headers"] = _OPEN_REQUEST_HEADERS
        response["access-control-max-age"] = _PREFLIGHT_SECONDS
    else:
        response = answer()
        response["access-control-expose-headers"] = "www-authenticate, retry-after"
    response["access-control-allow-origin"] = "*"
    return response


def _is_preflight(request: HttpRequest) -> bool:
    name = "Access-Control-Request-Method"
    return request.method == "OPTIONS" and name in request.headers


@cache
def endpoint_cors() -> EndpointCorsMiddleware:
    """Give what says of any endpoint's answer which CORS headers go with it."""
    return EndpointCorsMiddleware(lambda request: HttpResponse())


def _requested(request: HttpRequest) -> list[str]:
    """Give the tool parameters that a client wants to send as headers.

    Spec: 2026-07-28 basic/transports/streamable-http, "Custom Headers".
    """
    names = request.headers.get("Access-Control-Request-Headers", "").lower()
    return [
        name
        for name in map(str.strip, names.split(","))
        if _PARAMETER_HEADER.fullmatch(name)
    ]


def _join(*names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(name for group in names for name in group))
