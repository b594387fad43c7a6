"""`manage.py mcp_daphne`: Daphne's own command line, and a server that is mended."""

from __future__ import annotations

from typing import Any

from daphne.cli import CommandLineInterface
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from mcp_django.management.daphne_server import MendedServer


class CommandLine(CommandLineInterface):  # type: ignore[misc]  # Daphne has no types
    """Daphne's command line, which knows the project's application."""

    server_class = MendedServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.prog = "manage.py mcp_daphne"
        self.parser.epilog = (
            "Without an application it is that of the setting ASGI_APPLICATION. "
            "Of Django's options it takes --settings and --pythonpath."
        )

    def run(self, arguments: list[str]) -> None:
        """Serve until the process is told to end.

        Args:
            arguments: What Daphne itself takes.
        """
        path = getattr(settings, "ASGI_APPLICATION", None) or ""
        application = ":".join(path.rsplit(".", 1))
        _, superfluous = self.parser.parse_known_args([*arguments, application])
        if application not in superfluous:
            arguments = [*arguments, application]
        application = self.parser.parse_args(arguments).application
        if ":" not in application:
            self.parser.error(
                f"the application is {application!r}, and must be named as in "
                "mysite.asgi:application, or by the setting ASGI_APPLICATION; "
                "-p takes a port"
            )
        super().run(arguments)


class Command(BaseCommand):
    """Serve the project over ASGI."""

    help = "Serve the project over ASGI, by Daphne and its command line."

    def run_from_argv(self, argv: list[str]) -> None:
        """Serve with the options of Daphne; Django has heeded its own."""
        parser = CommandParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--settings")
        parser.add_argument("--pythonpath")
        _, arguments = parser.parse_known_args(argv[2:])
        CommandLine().run(arguments)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve with Daphne's defaults, where `call_command` asks for it."""
        CommandLine().run([])
