"""Middleware for the Django way in, which is the only one that passes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from mcp_django.consumers.cors import ANSWERS_CORS, EndpointCorsMiddleware
from mcp_django.consumers.gate import check_origin
from mcp_django.consumers.https import check_https
from mcp_django.consumers.well_known import is_left_to_us, match_of
from mcp_django.protocol import jsonrpc
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.routes import endpoint_at
from mcp_django.transports.server.refusals import Refused

GetResponse: TypeAlias = (
    Callable[[HttpRequest], HttpResponseBase]
    | Callable[[HttpRequest], Awaitable[HttpResponseBase]]
)


class CorsMiddleware(EndpointCorsMiddleware):
    """django-cors-headers' middleware, with what MCP endpoints need.

    Put it into `MIDDLEWARE` in place of `corsheaders.middleware.CorsMiddleware`; on
    the rest of the site it does the same.
    """

    def is_endpoint(self, request: HttpRequest) -> bool:
        """Say whether a request goes to an MCP endpoint."""
        return _endpoint_of(request) is not None

    def is_enabled(self, request: HttpRequest) -> bool:
        """Say whether CORS applies to a request, and its view has not an answer."""
        return super().is_enabled(request) and not _answers_cors(request)


class EarlyMiddleware(ABC):
    """Middleware for both of Django's modes that answers some requests itself."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    @abstractmethod
    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request, or pass it on."""


class OriginMiddleware(EarlyMiddleware):
    """Refuses what MCP endpoints refuse, early: foreign web pages, and plain HTTP.

    The endpoints do so themselves. As the first of `MIDDLEWARE` it spares the others
    the work, and comes before `SecurityMiddleware`, which would redirect to HTTPS a
    program that has sent its token. The rest of the site is left alone.
    """

    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Refuse the request, or pass it on."""
        refusal = self._refusal(request)
        if refusal is None:
            return self._get_response(request)
        return _as_coroutine(refusal) if iscoroutinefunction(self) else refusal

    def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        if "Origin" not in request.headers and not settings.SECURE_SSL_REDIRECT:
            return None
        if _endpoint_of(request) is None:
            return None
        try:
            check_https(request)
            check_origin(request)
        except Refused as refused:
            error = jsonrpc.error(None, refused.code, refused.message)
            return HttpResponse(
                jsonrpc.serialize(error),
                status=refused.status,
                content_type="application/json",
            )
        return None


def _endpoint_of(request: HttpRequest) -> Endpoint | None:
    """Find where a request goes, also by the URLconf that middleware chose for it."""
    return endpoint_at(request.path_info, getattr(request, "urlconf", None))


def _answers_cors(request: HttpRequest) -> bool:
    """Say whether a page asks for what answers every page."""
    if "Origin" not in request.headers:
        return False
    if is_left_to_us(request):
        return True
    match = match_of(request.path_info)
    return match is not None and getattr(match.func, ANSWERS_CORS, False)


async def _as_coroutine(response: HttpResponseBase) -> HttpResponseBase:
    return response
