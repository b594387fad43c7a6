"""`manage.py mcp_config`: how a client is connected to a server of this project."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.test import RequestFactory

from mcp_django.conf import mcp_settings
from mcp_django.management.commands.mcp_stdio import find_server, find_user
from mcp_django.management.remote import TOKEN, check_url
from mcp_django.pages.clients import (
    PLACEHOLDER,
    Client,
    Step,
    Target,
    Way,
    all_clients,
    find_client,
)
from mcp_django.pages.ways import takes_tokens, ways_in
from mcp_django.server.routes import routes
from mcp_django.server.server import Server
from mcp_django.server.showing import translated
from mcp_django.terminal import printable_lines

_IN_WORDS: Final = {
    Way.OPEN: "anybody is let in",
    Way.OAUTH: "logs in with OAuth",
    Way.TOKEN: "is given a token",
    Way.LOCAL: "starts the server itself",
}


class Command(BaseCommand):
    """Print what the connect page of `mcp_django.pages` shows, for one client."""

    help = "Print how an MCP client is connected to a server of this project."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--client",
            metavar="NAME",
            help="which client, such as claude-code; without it the names are listed",
        )
        parser.add_argument(
            "--server", metavar="NAME", help="which server, if the project has several"
        )
        parser.add_argument(
            "--url",
            help="of the endpoint; without it, its path below MCP['PUBLIC_URL']",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--user",
            metavar="USERNAME",
            help="the client starts the server itself on this machine, over stdio, and "
            "works as this user",
        )
        how.add_argument(
            "--token",
            action="store_true",
            help=f"by a token, also where the client could log in: {TOKEN} of the "
            "environment, or else a place to put one",
        )
        parser.add_argument(
            "--json", action="store_true", help="write JSON in place of text"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it.

        Raises:
            CommandError: There is no such client or server, or it cannot be connected.
        """
        if options["client"] is None:
            self.stdout.write("\n".join(f"{c.name:14}{c.title}" for c in all_clients()))
            return
        client = find_client(options["client"])
        if client is None:
            names = ", ".join(each.name for each in all_clients())
            raise CommandError(f"no client {options['client']!r}; there are {names}")
        server = find_server(options["server"])
        target, way = _plan(server, options)
        if not client.can(way):
            raise CommandError(_impossible(client, way))
        steps = client.steps(target, way)
        if options["json"]:
            self.stdout.write(_as_json(client, target, way, steps))
        else:
            self.stdout.write(_as_text(client, way, steps))


def _plan(server: Server, options: Mapping[str, Any]) -> tuple[Target, Way]:
    """Say what a client is connected to, and in which way it gets in.

    Raises:
        CommandError: It is not known where the server is, or no way leads there.
    """
    title = translated(server, server.implementation).get("title") or server.name
    if options["user"] is not None:
        if options["url"] is not None:
            raise CommandError("--user is for stdio, which has no URL; leave one out")
        find_user(options["user"])
        command = _command(server, options["user"])
        return Target(server.name, title, "", command=command), Way.LOCAL
    url = _find_url(server) if options["url"] is None else check_url(options["url"])
    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"{url!r:.200} must be http:// or https://")
    token = os.environ.get(TOKEN, "").strip() or PLACEHOLDER
    return Target(server.name, title, url, token), _find_way(server, url, options)


def _find_way(server: Server, url: str, options: Mapping[str, Any]) -> Way:
    if options["token"]:
        if not takes_tokens():
            raise CommandError(
                "this project takes no tokens; add mcp_django.tokens to "
                "INSTALLED_APPS, or leave --token out"
            )
        return Way.TOKEN
    parts = urlsplit(url)
    request = RequestFactory().get(
        parts.path or "/", secure=parts.scheme == "https", HTTP_HOST=parts.netloc
    )
    try:
        request.get_host()
    except DisallowedHost:
        raise CommandError(
            f"the site does not answer at {parts.netloc!r}: ALLOWED_HOSTS does not "
            "have it; add it there, or give another --url"
        ) from None
    ways = ways_in(request, server, unquote(parts.path).rstrip("/"))
    if not ways:
        raise CommandError(
            "no program can get in at this server: its authenticators take no tokens. "
            "Add mcp_django.tokens, or mcp_django.oauth, to INSTALLED_APPS"
        )
    return ways[0]


def _find_url(server: Server) -> str:
    """Find the URL of a server's endpoint.

    Raises:
        CommandError: The project does not say.
    """
    if mcp_settings.PUBLIC_URL is None:
        raise CommandError(
            "where the site is cannot be told from here; give --url, such as "
            "https://example.com/mcp, or set MCP['PUBLIC_URL']"
        )
    for path, endpoint, is_fixed in routes():
        if endpoint.server is server and endpoint.binding == "mcp" and is_fixed:
            return f"{mcp_settings.PUBLIC_URL.rstrip('/')}{path}"
    raise CommandError(
        f"the URL patterns of this project have no path of server {server.name!r}; "
        "give --url"
    )


def _command(server: Server, user: str) -> Sequence[str]:
    """Give what starts the server, wherever the client itself runs."""
    file = Path(sys.argv[0]).resolve()
    named = ["--user", user, "--server", server.name]
    if file.name == "manage.py":
        return [sys.executable, str(file), "mcp_stdio", *named]
    module = settings.SETTINGS_MODULE
    return [sys.executable, "-m", "mcp_django", "stdio", "--settings", module, *named]


def _impossible(client: Client, way: Way) -> str:
    match way:
        case Way.TOKEN:
            return (
                f"{client.title} takes no tokens: it logs in by OAuth only; see "
                "docs/how-to/log-in.md for how to offer that"
            )
        case Way.LOCAL:
            return f"{client.title} starts no servers itself; leave --user out"
    return f"{client.title} cannot be connected where it {_IN_WORDS[way]}"


def _as_text(client: Client, way: Way, steps: Sequence[Step]) -> str:
    parts = [f"{client.title}: {_IN_WORDS[way]}"]
    for step in steps:
        says = f"Or: {step.says}" if step.is_instead else step.says
        parts.append(f"{says}\n\n{step.code or step.href}")
    parts.append(f"Looked up on {client.checked} in {client.source}")
    if client.doubt:
        parts.append(client.doubt)
    return printable_lines("\n\n".join(parts))


def _as_json(client: Client, target: Target, way: Way, steps: Sequence[Step]) -> str:
    written = {
        "client": client.name,
        "title": client.title,
        "way": way.value,
        "url": target.url or None,
        "steps": [
            {
                "says": step.says,
                "code": step.code or None,
                "link": step.href or None,
                "instead": step.is_instead,
            }
            for step in steps
        ],
        "doubt": client.doubt or None,
        "checked": client.checked.isoformat(),
        "source": client.source,
    }
    return json.dumps(written, indent=2, ensure_ascii=False)
