"""Checks of whether servers can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from mcp_django.server.discovery import all_servers
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.routes import endpoint_at, routes
from mcp_django.server.server import Server


def check_reach(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find servers that no request reaches."""
    try:
        found = list(routes())
    except Exception:  # Django's own URL checks say what is wrong.
        return []
    return [*_faults_of_routes(found), *_faults_of_servers(found)]


def _faults_of_routes(
    found: Sequence[tuple[str, Endpoint, bool]],
) -> Iterator[checks.CheckMessage]:
    """Find endpoints at whose path something else answers."""
    first: dict[str, Server] = {}
    seen: set[tuple[int, str]] = set()
    for path, endpoint, is_fixed in found:
        server = endpoint.server
        other = _server_at(path) if is_fixed else first.setdefault(path, server)
        # The path with its slash, and the endpoints below it, would say the same.
        name = path.rstrip("/").removesuffix("/sse").removesuffix("/messages")
        if other is server or (id(server), name) in seen:
            continue
        seen.add((id(server), name))
        taker = "another view" if other is None else f"server {other.name!r}"
        yield checks.Error(
            f"Server {server.name!r} cannot be reached at {name or '/'!r}, because "
            f"{taker} answers there.",
            hint="Give one of the two another path, as in "
            f"server.urls({server.name!r}), or take its URLs out.",
            obj=server,
            id="mcp_django.E013",
        )


def _server_at(path: str) -> Server | None:
    endpoint = endpoint_at(path)
    return None if endpoint is None else endpoint.server


def _faults_of_servers(
    found: Sequence[tuple[str, Endpoint, bool]],
) -> Iterator[checks.CheckMessage]:
    """Find servers without a URL, in projects that want to serve over HTTP.

    Those that have MCP endpoints do, and those that name an ASGI application; others
    may be there for stdio alone.
    """
    if not found and not getattr(settings, "ASGI_APPLICATION", None):
        return
    reached = {id(endpoint.server) for _, endpoint, _ in found}
    for server in all_servers():
        if id(server) not in reached:
            yield checks.Warning(
                f"Server {server.name!r} has no URL in {settings.ROOT_URLCONF!r}.",
                hint="Add *server.urls() to urlpatterns; silence this check if the "
                "server is used over stdio or in memory alone.",
                obj=server,
                id="mcp_django.W014",
            )
