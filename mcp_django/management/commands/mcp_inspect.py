"""`manage.py mcp_inspect`: what the project's servers offer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from mcp_django.management import drift
from mcp_django.management.described import LISTS, IsOff, describe
from mcp_django.management.drift_in_words import write_differences
from mcp_django.management.feature_tables import show
from mcp_django.management.price_tables import ERROR, show_prices, warnings_of
from mcp_django.server.discovery import all_servers
from mcp_django.server.server import Server
from mcp_django.server.switched_off import switched_off
from mcp_django.terminal import printable

_DRIFTED: Final = 1
_UNUSABLE: Final = 2


class Command(BaseCommand):
    """Show every server with its features, their schemas and permissions."""

    help = (
        "Show every MCP server with its features, what they cost a model, or what "
        "changed of them."
    )
    requires_system_checks = ()
    """None: who looks for what a check complains about has to see it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--server", metavar="NAME", help="only the server of this name"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="write JSON, with complete schemas, in the order of registering",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--tokens",
            action="store_true",
            help="show about how many tokens each feature costs a model",
        )
        what.add_argument(
            "--record", metavar="FILE", help="write what clients can notice to a file"
        )
        what.add_argument(
            "--check",
            metavar="FILE",
            help="show what is not as in a recorded file; the exit status is 1 then",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the options say.

        Raises:
            CommandError: They exclude each other, or name what is not there.
        """
        servers = _select(options["server"])
        if options["record"] is not None:
            if options["json"]:
                raise _unusable("--record writes JSON to its file; leave out --json")
            self._record(servers, options["record"])
        elif options["check"] is not None:
            self._check(servers, options)
        else:
            self._show(servers, options)

    def _show(self, servers: Sequence[Server], options: dict[str, Any]) -> None:
        """Write the tables, or the JSON text."""
        is_off = self._look_what_is_off()
        with_tokens = options["tokens"]
        if options["json"]:
            described = [
                describe(each, is_off=is_off, with_tokens=with_tokens)
                for each in servers
            ]
            self._write_json({"servers": described})
        elif servers:
            tables = map(show_prices if with_tokens else show, servers)
            self.stdout.write("\n\n".join(tables))
        else:
            self.stdout.write("There are no servers: no app's mcp.py has made one.")
        if with_tokens and servers:
            if not options["json"]:
                self.stdout.write(f"\n{ERROR}")
            for server in servers:
                self._warn(*warnings_of(server))

    def _look_what_is_off(self) -> IsOff:
        """Give what says which features are off, or that this is not known."""
        try:
            if switched_off.refresh is not None:
                switched_off.refresh()
        except Error as error:
            reason = str(error).strip().partition("\n")[0]
            self._warn(f"the database does not say what is switched off: {reason}")
            return lambda server, feature: None
        return switched_off.covers

    def _record(self, servers: Sequence[Server], path: str) -> None:
        """Write what clients can notice.

        Raises:
            CommandError: The file cannot be written, or the servers not be told apart.
        """
        recorded = _recorded(servers)
        text = json.dumps(recorded, indent=2, ensure_ascii=False)
        try:
            Path(path).write_text(f"{text}\n", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise _unusable(f"{path!r} cannot be written: {error}") from error
        count = sum(len(each[key]) for each in recorded["servers"] for key in LISTS)
        self.stdout.write(
            f"Recorded in {path}: {_count(count, 'feature')} of "
            f"{_count(len(servers), 'server')}."
        )

    def _check(self, servers: Sequence[Server], options: dict[str, Any]) -> None:
        """Write what is not as it was recorded.

        Raises:
            CommandError: Something is not; the file is no record; or the servers cannot
                be told apart.
        """
        path: str = options["check"]
        try:
            was = drift.read(Path(path).read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            hint = f"there is no file {path!r}; make it by `mcp_inspect --record`"
            raise _unusable(hint) from None
        except UnicodeDecodeError:
            raise _unusable(f"{path!r} is no record: it is no text in UTF-8") from None
        except OSError as error:
            raise _unusable(f"{path!r} cannot be read: {error}") from error
        except ValueError as error:
            raise _unusable(f"{path!r} is no record: {error}") from None
        if (name := options["server"]) is not None:
            was["servers"] = [each for each in was["servers"] if each["name"] == name]
        found = list(drift.compare(was, _recorded(servers)))
        if options["json"]:
            self._write_json({"differences": [each.as_json() for each in found]})
        elif found:
            self.stdout.write(write_differences(found))
        else:
            self.stdout.write(f"Everything is as recorded in {path}.")
        if found:
            raise CommandError(
                f"{_count(len(found), 'difference')} from {path}; if they are meant, "
                "record anew by `mcp_inspect --record`",
                returncode=_DRIFTED,
            )

    def _write_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False))

    def _warn(self, *texts: str) -> None:
        for text in texts:
            self._say(f"WARNING: {text}")

    def _say(self, text: str) -> None:
        self.stderr.write(printable(text), style_func=str)


def _select(name: str | None) -> list[Server]:
    """Give the servers of a name, or all.

    Raises:
        CommandError: None has the name.
    """
    servers = all_servers()
    if name is None:
        return servers
    found = [server for server in servers if server.name == name]
    if not found:
        known = ", ".join(repr(server.name) for server in servers) or "none at all"
        raise CommandError(f"there is no server {name!r}; there is {known}")
    return found


def _recorded(servers: Sequence[Server]) -> dict[str, Any]:
    """Give what is recorded of servers.

    Raises:
        CommandError: Two have one name.
    """
    try:
        return drift.record(servers)
    except ValueError as error:
        raise _unusable(f"{error}; give them different ones") from None


def _unusable(text: str) -> CommandError:
    return CommandError(text, returncode=_UNUSABLE)


def _count(number: int, name: str) -> str:
    return f"{number} {name if number == 1 else f'{name}s'}"
