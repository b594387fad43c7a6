"""`manage.py mcp_trace`: write down what is said, masked, in all workers."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.management.commands.mcp_stdio import find_user
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.terminal import printable
from mcp_django.tracing import stop, trace, traces
from mcp_django.tracing.following import follow
from mcp_django.tracing.plan import MAX_MINUTES
from mcp_django.tracing.switching import make_trace
from mcp_django.worker.asking import Answers

_MINUTES: Final = 5.0


class Command(BaseCommand):
    """Write down what is said, masked, in all workers, for some minutes."""

    help = (
        "Write down what MCP clients and workers say to each other, with arguments, "
        "results and secrets masked; without options, list what is written down."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--user", metavar="USERNAME", help="what this user says")
        what.add_argument(
            "--session",
            metavar="ID",
            help="what is said in one session: its id, or its short name in a trace",
        )
        what.add_argument(
            "--all",
            action="store_true",
            help="everything, also of clients that are refused",
        )
        what.add_argument(
            "--stop",
            metavar="ID",
            nargs="?",
            const="",
            help="end the trace of this id, or all",
        )
        parser.add_argument(
            "--minutes",
            type=float,
            default=None,
            help=f"for how long; {_MINUTES:g}, and {MAX_MINUTES:g} at most",
        )
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            "--file",
            action="store_true",
            help='write to files in MCP["TRACE_DIR"], one for each worker; without it '
            "to the log",
        )
        where.add_argument(
            "--follow",
            action="store_true",
            help="write to this terminal, until the time is over or Ctrl-C",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the workers, and write what they say."""
        whose = options["user"], options["session"], options["all"] or None
        is_begun = any(given is not None for given in whose)
        more = options["minutes"], options["file"] or None, options["follow"] or None
        if not is_begun and any(given is not None for given in more):
            raise CommandError("say whose: --user USERNAME, --session ID or --all")
        if options["stop"] is not None:
            self._tell(stop(options["stop"] or None))
        elif not is_begun:
            self._tell(traces())
        else:
            self._begin(options)

    def _begin(self, options: dict[str, Any]) -> None:
        """Begin a trace.

        Raises:
            CommandError: What is asked for is not clear, or cannot be had.
        """
        given = {
            "user": None if options["user"] is None else find_user(options["user"]),
            "session": options["session"],
            "everything": options["all"],
            "minutes": _MINUTES if options["minutes"] is None else options["minutes"],
        }
        try:
            if options["follow"]:
                self._follow(given)
                return
            begun = trace(**given, to_file=options["file"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        id, minutes = begun.trace.id, begun.trace.seconds_left / 60
        where = "" if begun.answers.workers else " in no worker yet, and"
        self.stdout.write(
            f"trace {id} runs{where} for {minutes:.1f} minutes; mcp_trace --stop {id} "
            "ends it"
        )
        self._tell(begun.answers)

    def _follow(self, given: dict[str, Any]) -> None:
        """Write what all workers write down, until the time is over or Ctrl-C."""
        with suppress(KeyboardInterrupt, BrokenPipeError):
            asyncio.run(
                follow(
                    lambda channel: make_trace(**given, to=channel),
                    on_begun=self._tell_of_silence,
                    on_line=self._write,
                )
            )

    def _tell_of_silence(self, answers: Answers) -> None:
        count = len(answers.workers)
        lines = [f"{count} workers; Ctrl-C ends it", *answers.warnings()]
        self.stderr.write("\n".join(map(printable, lines)), style_func=str)
        self.stderr.flush()

    def _tell(self, answers: Answers) -> None:
        """Write what the workers say; exit with 1 if one does not do it."""
        lines = [
            f"  {worker['host']}:{worker['pid']} {_line(trace)}"
            for worker in answers.workers
            for trace in worker["traces"]
        ]
        if not lines and answers.workers:
            lines.append(f"no trace in {len(answers.workers)} workers")
        for line in [*lines, *answers.warnings()]:
            self._write(line)
        problems = [t for w in answers.workers for t in w["traces"] if t["problem"]]
        if answers.are_missing or problems:
            sys.exit(1)

    def _write(self, line: str) -> None:
        self.stdout.write(printable(line))
        self.stdout.flush()


def _line(trace: JSONObject) -> str:
    if "lines" not in trace:  # it could not begin there
        return f"trace {trace['id']}: {trace['problem']}"
    whose = "everything"
    if trace["user"] is not None:
        whose = f"user {trace['user']}"
    elif trace["session"] is not None:
        whose = f"session {trace['session']}"
    left_out = f", {trace['left_out']} left out" if trace["left_out"] else ""
    where = f" to {trace['file']}" if trace["file"] else ""
    return (
        f"trace {trace['id']} of {whose}: {trace['lines']} lines{left_out}{where}, "
        f"{trace['seconds_left']:.0f} s left"
        + (f"; {trace['problem']}" if trace["problem"] else "")
    )
