"""`manage.py mcp_stdio`: serve one client over standard input and output.

With `--connect` the client is joined to a server elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio
from django.contrib.auth.models import AnonymousUser
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from mcp_django.auth.interface import User
from mcp_django.auth.named_users import user_named
from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.management.remote import (
    add_login_arguments,
    check_login_options,
    check_url,
    headers_from,
)
from mcp_django.server.discovery import servers
from mcp_django.server.server import Server
from mcp_django.sessions.stdio import bridge_stdio, serve_stdio
from mcp_django.tracing import TraceFile
from mcp_django.transports.server.stdio import StdioServerTransport, claim_stdout
from mcp_django.transports.tap import Direction, tap
from mcp_django.worker.collector import begin_collecting
from mcp_django.worker.shutdown import end_now

_GOODBYE_SECONDS = 0.9
"""For what follows when nothing more is answered."""


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
        parser.add_argument(
            "--connect",
            metavar="URL",
            help="join the client to the server at this URL, with the token of "
            "MCP_TOKEN and the headers of MCP_HEADERS (a JSON object) in the "
            "environment",
        )
        parser.add_argument(
            "--trace",
            metavar="FILE",
            help="write each message to the end of this file, with arguments, results "
            "and secrets masked",
        )
        add_login_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until the client is gone."""
        stdout = claim_stdout()
        check_login_options(options)
        serve = self._bridge(options) if options["connect"] else _serve(options)
        if options["trace"] is not None:
            _trace(options["trace"])
        _close_connections()
        begin_collecting()
        try:
            anyio.run(partial(serve, stdin=0, stdout=stdout))
        except ImportError as error:
            raise CommandError(str(error)) from None
        # A `def` handler that still runs cannot be cancelled; no client waits for it.
        end_now()

    def _bridge(self, options: Mapping[str, Any]) -> Callable[..., Awaitable[None]]:
        """Prepare to join the client to a server elsewhere.

        Raises:
            CommandError: An option, or the environment, is wrong.
        """
        for name in ("server", "user"):
            if options[name] is not None:
                raise CommandError(
                    f"--{name} is for servers of this project; leave it out, or "
                    "--connect"
                )
        url = check_url(options["connect"])
        auth = None
        if options["login"]:
            try:
                from mcp_django.management import logins
            except ImportError as error:
                raise CommandError(str(error)) from None
            # Standard input is the client's, so that there is no terminal.
            auth = logins.oauth_for(url, options, tell=self._tell, terminal=None)
        headers = headers_from(os.environ)
        return partial(
            bridge_stdio, url, headers=headers, auth=auth, on_close=_exit_soon
        )

    def _tell(self, text: str) -> None:
        self.stderr.write(text, style_func=str)
        self.stderr.flush()


def _trace(path: str) -> None:
    """Write what the client sends and is sent to a file.

    Raises:
        CommandError: The file cannot be written.
    """
    try:
        file = TraceFile(path)
    except OSError as error:
        raise CommandError(
            f"cannot write the trace to {path!r}: {error.strerror}; give --trace a "
            "file that can be written"
        ) from None

    def watch(
        direction: Direction, data: bytes, carrier: object, status: int = 0
    ) -> None:
        # A handler may be the client of another server, over stdio as well.
        if isinstance(carrier, StdioServerTransport):
            file.write(direction, data)

    tap.add(watch)


def _close_connections() -> None:
    """Close the databases that this thread has asked: from now on others do."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def _exit_soon() -> None:
    """End the process also if something does not heed its end.

    A server elsewhere may not answer our goodbye, a handler swallow its cancellation.
    """
    timer = threading.Timer(_GOODBYE_SECONDS, end_now)
    timer.daemon = True
    timer.start()


def _serve(options: Mapping[str, Any]) -> Callable[..., Awaitable[None]]:
    if options["login"]:
        raise CommandError("--login is for servers elsewhere; give --connect with it")
    server = find_server(options["server"])
    user = find_user(options["user"])
    return partial(serve_stdio, server, user, on_close=_exit_soon)


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


def find_user(username: str | None) -> User:
    """Find a user of the site; an anonymous one has no name.

    Raises:
        CommandError: There is none of this name, or none who may log in, or users
            cannot be looked up before migrations are run.
    """
    if username is None:
        return AnonymousUser()
    with needing_database():
        user: User | None = user_named(username)
    if user is None:
        raise CommandError(f"no user {username!r}; pass --user with a username")
    if not user.is_active:
        raise CommandError(f"user {username!r} is not active")
    return user
