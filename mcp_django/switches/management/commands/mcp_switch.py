"""`manage.py mcp_switch`: switch features off, and on again."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import router
from django.utils import timezone

from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.operations import end
from mcp_django.switches.models import Kind, Switch, in_words
from mcp_django.switches.named import doubt_of
from mcp_django.switches.switching import switch_off, switch_on
from mcp_django.terminal import aligned

_COLUMNS = ("KIND", "NAME", "SERVER", "SINCE", "BY", "WHY")
_ALL = "(all)"


class Command(BaseCommand):
    """Switch features off for every user, and on again."""

    help = "Switch features off for every user, on all workers, and on again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the three subcommands."""
        commands = parser.add_subparsers(dest="command", required=True)
        off = commands.add_parser("off", help="switch a feature off")
        on = commands.add_parser("on", help="switch a feature on again")
        for each in (off, on):
            each.add_argument("kind", metavar="KIND", choices=Kind.values)
            each.add_argument(
                "name",
                metavar="NAME",
                help="of a resource its URI, of a template (kind resource) the "
                "template, as it was registered",
            )
            each.add_argument(
                "--server",
                default="",
                metavar="NAME",
                help="the server that has it; left out, all servers",
            )
        off.add_argument(
            "--why", default="", metavar="TEXT", help="why, for your colleagues"
        )
        off.add_argument(
            "--end", action="store_true", help="end its calls that run, too"
        )
        listed = commands.add_parser("list", help="show what is switched off")
        listed.add_argument("--json", action="store_true", help="write JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand.

        Raises:
            CommandError: It cannot be done.
        """
        with needing_database():
            match options["command"]:
                case "list":
                    self.list(is_json=options["json"])
                case "off":
                    self.off(options)
                case _:
                    self.on(options["kind"], options["name"], options["server"])

    def off(self, options: dict[str, Any]) -> None:
        """Switch a feature off, and end its calls if that is asked for."""
        kind, name, server = (options[key] for key in ("kind", "name", "server"))
        if doubt := doubt_of(kind, name, server):
            self.stderr.write(f"WARNING: {doubt}; it is switched off all the same")
        try:
            is_new = switch_off(
                kind, name, server=server, why=options["why"], by=_account()
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        said = in_words(kind, name, server)
        self.stdout.write(
            f"{said} is switched off" + ("" if is_new else ", as it was before")
        )
        if options["end"]:
            feature = f"{kind}:{name}"
            answers = end(feature=f"{server}/{feature}" if server else feature)
            calls = sum(worker["calls"] for worker in answers.workers)
            self.stdout.write(f"{calls} calls of it were ended")
            self.stderr.write("\n".join(answers.warnings()))
            if answers.are_missing:
                sys.exit(1)

    def on(self, kind: str, name: str, server: str) -> None:
        """Switch a feature on again.

        Raises:
            CommandError: It is not off, or not by these words.
        """
        try:
            was_off = switch_on(kind, name, server=server)
        except ValueError as error:
            raise CommandError(str(error)) from error
        others = _switches().filter(kind=kind, name=name)
        said = in_words(kind, name, server)
        still = ", ".join(map(str, others))
        if not was_off:
            hint = f"but {still} is" if still else "`mcp_switch list` shows what is"
            raise CommandError(f"{said} is not switched off; {hint}")
        self.stdout.write(f"{said} is on again")
        if still:
            self.stdout.write(f"still off: {still}")

    def list(self, *, is_json: bool) -> None:
        """Show what is switched off, as a table or as JSON."""
        switches = list(_switches())
        if is_json:
            shown = [
                {
                    "kind": switch.kind,
                    "name": switch.name,
                    "server": switch.server or None,
                    "why": switch.why,
                    "by": switch.by,
                    "at": switch.at.isoformat(),
                }
                for switch in switches
            ]
            self.stdout.write(json.dumps({"switchedOff": shown}, indent=2))
        elif switches:
            self.stdout.write("\n".join(aligned([_COLUMNS, *map(_row, switches)])))
        else:
            self.stdout.write("Nothing is switched off.")


def _switches() -> Any:
    return Switch.objects.using(router.db_for_write(Switch))


def _account() -> str:
    """Name who runs the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # such as in a container
        return ""


def _row(switch: Switch) -> Sequence[str]:
    at = timezone.localtime(switch.at) if timezone.is_aware(switch.at) else switch.at
    return (
        switch.kind,
        switch.name,
        switch.server or _ALL,
        f"{at:%Y-%m-%d %H:%M}",
        switch.by,
        switch.why,
    )
