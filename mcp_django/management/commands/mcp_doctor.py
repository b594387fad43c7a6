"""`manage.py mcp_doctor`: say why clients cannot log in at an MCP server."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import anyio
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.doctor.findings import Finding, Verdict
from mcp_django.management.remote import TOKEN, check_url, headers_from
from mcp_django.terminal import ProgressLine, printable

_MARKS: Final = {
    Verdict.OK: "ok  ",
    Verdict.NOTE: "note",
    Verdict.WARNING: "WARN",
    Verdict.FAILED: "FAIL",
}


class Command(BaseCommand):
    """Play what clients do until they are logged in, and say what fails."""

    help = "Say why MCP clients cannot log in at a server, and what to set."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("url", metavar="URL", help="of the MCP endpoint")
        parser.add_argument(
            "--token",
            action="store_true",
            help=f"try also what works with a token: {TOKEN} of the environment, or "
            "else you are asked for it",
        )
        parser.add_argument(
            "--register",
            action="store_true",
            help="register as each client does, which leaves clients behind",
        )
        parser.add_argument(
            "--timeout", type=float, default=10.0, help="seconds for each request; 10"
        )
        parser.add_argument(
            "--json", action="store_true", help="write JSON in place of lines"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the steps, and write what they found."""
        url = check_url(options["url"])
        if not url.lower().startswith(("http:", "https:")):
            raise CommandError(f"{url!r:.200} must be http:// or https://")
        if not 0 < options["timeout"] <= 600:
            raise CommandError("--timeout must be between 0 and 600 seconds")
        try:
            # The library of HTTP comes with an extra.
            from mcp_django.doctor.doctor import examine
        except ModuleNotFoundError as error:
            raise CommandError(str(error)) from None
        token = _token() if options["token"] else ""
        line = ProgressLine(self.stderr)
        try:
            findings = anyio.run(
                partial(
                    examine,
                    url,
                    token=token,
                    registers=options["register"],
                    seconds=options["timeout"],
                    within=12 * options["timeout"],
                    on_step=line.show,
                )
            )
        finally:
            line.clear()
        if options["json"]:
            self.stdout.write(_as_json(url, findings))
        else:
            self.stdout.write("\n".join(map(_line, findings)))
            self.stdout.write(_summary(findings))
        if _failures(findings):
            sys.exit(1)


def _token() -> str:
    """Give the token, which stands on no command line.

    Raises:
        CommandError: There is none, or it cannot be sent.
    """
    given = os.environ.get(TOKEN, "")
    if not given and sys.stdin.isatty():
        given = getpass.getpass("Token: ")
    if not given.strip():
        raise CommandError(f"--token needs {TOKEN} in the environment, or a terminal")
    headers = headers_from({TOKEN: given})
    return headers["Authorization"].removeprefix("Bearer ")


def _line(finding: Finding) -> str:
    text = f"{_MARKS[finding.verdict]}  {finding.step}: {finding.says}"
    if finding.remedy and finding.verdict is not Verdict.OK:
        text += f" -> {finding.remedy}"
    return printable(text)


def _failures(findings: Sequence[Finding]) -> int:
    return sum(finding.verdict is Verdict.FAILED for finding in findings)


def _summary(findings: Sequence[Finding]) -> str:
    warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
    failures = _failures(findings)
    return f"{len(findings)} findings: {failures} failed, {warnings} warnings"


def _as_json(url: str, findings: Sequence[Finding]) -> str:
    found = {
        "url": url,
        "failed": _failures(findings),
        "findings": [finding.as_json() for finding in findings],
    }
    return json.dumps(found, indent=2, ensure_ascii=False)
