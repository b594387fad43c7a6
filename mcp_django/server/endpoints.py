"""Endpoints: what URL patterns of a server point to, and probes of its health.

Both are views to Django. The ASGI way in finds them by the same URL patterns and serves
them without Django's middleware.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string

from mcp_django.protocol.http_headers import is_for_people

if TYPE_CHECKING:
    from mcp_django.server.server import Server

PAGE_METHODS: Final = ("GET", "HEAD")
"""By which a browser asks for a page."""

Binding: TypeAlias = Literal["mcp", "sse", "messages"]


@dataclass(frozen=True, slots=True)
class Pages:
    """What people find at a server, with their browsers.

    Attributes:
        landing: The view at the endpoint itself.
        patterns: URL patterns of further pages below the server's prefix.
    """

    landing: Callable[[HttpRequest], Awaitable[HttpResponseBase]]
    patterns: Sequence[URLPattern]


page_makers: Final[list[Callable[[Server, str], Pages]]] = []
"""Gives the pages of a server below a prefix such as "mcp/"; empty without the app
`mcp_django.pages`, which puts itself in."""


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
        landing: What a browser is shown there; None if it is answered like a program.
    """

    def __init__(
        self,
        server: Server,
        binding: Binding,
        landing: Callable[[HttpRequest], Awaitable[HttpResponseBase]] | None = None,
    ) -> None:
        super().__init__()
        self.server = server
        self.binding = binding
        self.landing = landing

    async def __call__(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Answer as a Django view."""
        if self.landing is None:
            response: HttpResponseBase = await _view()(self, request)
            return response
        accept = request.headers.get("Accept")
        is_page = request.method in PAGE_METHODS and is_for_people(accept)
        response = await (self.landing(request) if is_page else _view()(self, request))
        patch_vary_headers(response, ["Accept"])
        return response


def url_patterns(server: Server, prefix: str) -> list[URLPattern]:
    """Give the URL patterns of a server.

    Args:
        server: The one that answers there.
        prefix: Path below the including URLconf, such as "mcp".
    """
    base = prefix.strip("/")
    base = f"{base}/" if base else ""
    pages = [make(server, base) for make in page_makers]
    endpoint = Endpoint(server, "mcp", pages[0].landing if pages else None)
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
        *(pattern for made in pages for pattern in made.patterns),
    ]


class _AllDatabases(set[str]):
    """What `transaction.non_atomic_requests` sets, for every alias at once."""

    def __contains__(self, alias: object) -> bool:
        return True


@cache
def _view() -> Any:
    # The view stands above the server in the order of layers.
    return import_string("mcp_django.views.serve")
