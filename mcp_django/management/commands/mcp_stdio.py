"""`manage.py mcp_stdio`: serve one client over standard input and output."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from typing import Any

import anyio
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.auth.interface import User
from mcp_django.server.discovery import servers
from mcp_django.server.server import Server
from mcp_django.sessions.stdio import serve_stdio
from mcp_django.transports.stdio import claim_stdout


class Command(BaseCommand):
    """Serve one client over standard input and output.

    Standard output carries messages only; whatever else is printed goes to standard
    error.
    """

    help = "Serve one MCP client over standard input and output."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--server", metavar="NAME", help="which server, if the project has several"
        )
        parser.add_argument(
            "--user",
            metavar="USERNAME",
            help="whom the client works as; without it, as nobody",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until the client is gone."""
        stdout = claim_stdout()
        server = find_server(options["server"])
        user = _find_user(options["user"])
        anyio.run(partial(serve_stdio, server, user, stdin=0, stdout=stdout))
        # A `def` handler that still runs cannot be cancelled, and nobody waits for it.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(0)


def find_server(name: str | None) -> Server:
    """Find a server of the project; the only one needs no name.

    Raises:
        CommandError: There is none of this name, or a name is needed.
    """
    found = servers()
    if not found:
        raise CommandError("no server found; make one in an installed app's mcp.py")
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name is None or name not in found:
        given = "several servers" if name is None else f"no server {name!r}"
        raise CommandError(f"{given}; pass --server with one of {sorted(found)!r}")
    return found[name]


def _find_user(username: str | None) -> User:
    if username is None:
        return AnonymousUser()
    model = get_user_model()
    try:
        user = model._default_manager.get_by_natural_key(username)
    except model.DoesNotExist:
        raise CommandError(
            f"no user {username!r}; pass --user with a username"
        ) from None
    if not user.is_active:
        raise CommandError(f"user {username!r} is not active")
    return user
