"""Checks of the transactions that handlers are meant to have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.db import connections

from mcp_django.checks.servers import known_servers
from mcp_django.server.handlers import Handler
from mcp_django.server.server import Server
from mcp_django.server.transactions import databases_of


def check_transactions(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find handlers whose transactions there cannot be."""
    try:
        known = list(connections.settings)
    except Exception:  # Django says what is wrong with DATABASES.
        return []
    return [
        message
        for server in known_servers()
        for feature, handler in _handlers_of(server)
        for message in _faults_of(server, feature, handler, known)
    ]


def _handlers_of(server: Server) -> Iterator[tuple[str, Handler]]:
    for kind, features in (
        ("Tool", server.tools),
        ("Resource", server.resources),
        ("Prompt", server.prompts),
    ):
        for key, feature in features.items():
            yield f"{kind} {key!r}", feature.handler


def _faults_of(
    server: Server, feature: str, handler: Handler, known: list[str]
) -> Iterator[checks.CheckMessage]:
    signature = handler.signature
    databases = databases_of(handler.atomic, signature.function)
    for alias in databases:
        if alias not in known:
            yield checks.Error(
                f"{feature} has atomic={alias!r}, which DATABASES has not.",
                hint=f"Name one of {', '.join(map(repr, known))}.",
                obj=server,
                id="mcp_django.E080",
            )
    if signature.is_async and databases:
        names = ", ".join(map(repr, databases))
        yield checks.Warning(
            f"{feature} is async def and has no transaction, although {names} has "
            "ATOMIC_REQUESTS; Django's transactions are synchronous.",
            hint="Write it as def, or pass atomic=False to say that it needs none.",
            obj=server,
            id="mcp_django.W081",
        )
