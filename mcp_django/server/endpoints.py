"""Endpoints: what URL patterns of a server point to, and probes of its health.

Both are views to Django. The ASGI way in finds them by the same URL patterns and serves
them without Django's middleware.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Binding: TypeAlias = Literal["mcp", "sse", "messages"]


class DirectView(ABC):
    """A view for programs, which the ASGI way in calls before Django's middleware."""

    csrf_exempt = True
    """Origin and credentials are checked by the gate, in JSON's own way."""

    login_required = False
    """For `LoginRequiredMiddleware`: a login page is no answer to a program."""

    def __init__(self) -> None:
        # For ATOMIC_REQUESTS: a stream must not hold a transaction.
        self._non_atomic_requests = _AllDatabases()
        markcoroutinefunction(self)

    @abstractmethod
    async def __call__(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Answer as a Django view."""


class Probe(DirectView):
    """A URL at which load balancers ask how the process is."""

    @abstractmethod
    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""


class Endpoint(DirectView):
    """One URL of one server.

    Attributes:
        server: The server that answers there.
        binding: What is spoken there.
    """

    def __init__(self, server: Server, binding: Binding) -> None:
        super().__init__()
        self.server = server
        self.binding = binding

    async def __call__(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Answer as a Django view."""
        response: HttpResponseBase = await _view()(self, request)
        return response


def url_patterns(server: Server, prefix: str) -> list[URLPattern]:
    """Give the URL patterns of a server.

    Args:
        server: The one that answers there.
        prefix: Path below the including URLconf, such as "mcp".
    """
    base = prefix.strip("/")
    base = f"{base}/" if base else ""
    endpoint = Endpoint(server, "mcp")
    without_slash = [path(base.rstrip("/"), endpoint)] if base else []
    return [
        # Both without a redirect: a POST does not survive one.
        *without_slash,
        path(base, endpoint, name=f"{server.name}-mcp"),
        path(f"{base}sse", Endpoint(server, "sse"), name=f"{server.name}-sse"),
        path(
            f"{base}messages",
            Endpoint(server, "messages"),
            name=f"{server.name}-messages",
        ),
    ]


class _AllDatabases(set[str]):
    """What `transaction.non_atomic_requests` sets, for every alias at once."""

    def __contains__(self, alias: object) -> bool:
        return True


@cache
def _view() -> Any:
    # The view stands above the server in the order of layers.
    return import_string("mcp_django.views.serve")
