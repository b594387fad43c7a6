"""`manage.py mcp_status`: how all workers are, and ending what is open there."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.management.terminal import printable
from mcp_django.operations import Answers, end, status
from mcp_django.protocol.jsonrpc import JSONObject

_MAX_SHOWN: Final = 20
_HOW: Final = (
    "must be user:USERNAME, token:ID, feature:tool:NAME (or resource:, prompt:) or all"
)


class Command(BaseCommand):
    """Show how all workers are, or end what is open there."""

    help = "Show what is open in all MCP workers, or end it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="write JSON")
        parser.add_argument(
            "--watch",
            metavar="SECONDS",
            type=float,
            nargs="?",
            const=2.0,
            help="go on, and look again every so many seconds; 2",
        )
        parser.add_argument("--end", metavar="WHAT", help=f"end what is open: {_HOW}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the workers, and write what they say."""
        pause = options["watch"]
        if pause is not None and (options["end"] or not 0.1 <= pause <= 3600):
            raise CommandError(
                "--watch must be between 0.1 and 3600 seconds, and without --end"
            )
        answers = _end(options["end"]) if options["end"] else status()
        while True:
            self._write(answers, options)
            if pause is None:
                break
            try:
                time.sleep(pause)
            except KeyboardInterrupt:
                return
            before, answers = answers, status()
            _add_rates(answers, before)
        if answers.problem or answers.silent:
            sys.exit(1)

    def _write(self, answers: Answers, options: dict[str, Any]) -> None:
        if options["json"]:
            is_one = options["watch"] is None
            text = json.dumps(answers.as_json(), indent=2 if is_one else None)
        else:
            lines = _ended(answers) if options["end"] else _lines(answers)
            text = "\n".join(map(printable, [*lines, *_warnings(answers)]))
        self.stdout.write(text)
        self.stdout.flush()


def _end(what: str) -> Answers:
    """End what an option names.

    Raises:
        CommandError: It names nothing that there is.
    """
    kind, _, name = what.partition(":")
    if what == "all":
        return end(everything=True)
    if kind == "user" and name:
        users = get_user_model()
        try:
            return end(user=users._default_manager.get_by_natural_key(name))
        except users.DoesNotExist:
            raise CommandError(f"there is no user {name!r:.200}") from None
    if kind == "token" and name:
        return end(token=_token(name))
    if kind == "feature" and name:
        try:
            return end(feature=name)
        except ValueError as error:
            raise CommandError(str(error)) from None
    raise CommandError(f"--end {_HOW}, not {what!r:.200}")


def _token(id: str) -> Any:
    if not apps.is_installed("mcp_django.tokens"):
        raise CommandError("--end token: needs mcp_django.tokens in INSTALLED_APPS")
    tokens = apps.get_model("mcp_tokens", "Token")
    try:
        return tokens._default_manager.get(pk=id)
    except (tokens.DoesNotExist, ValueError):
        raise CommandError(f"there is no token with the id {id!r:.200}") from None


def _add_rates(answers: Answers, before: Answers) -> None:
    """Say what each worker did a second since the last look."""
    earlier = {worker["worker"]: worker for worker in before.workers}
    for worker in answers.workers:
        then = earlier.get(worker["worker"], {"seconds": 0.0})
        seconds = max(worker["seconds"] - then["seconds"], 0.001)
        worker["rates"] = {
            name: round((worker[name] - then.get(name, 0)) / seconds, 2)
            for name in ("handled", "refused", "relayed")
        }


def _lines(answers: Answers) -> list[str]:
    workers = answers.workers
    streams = sum((Counter(w["streams"]) for w in workers), Counter[str]())
    running = sum((Counter(w["running"]) for w in workers), Counter[str]())
    lines = [
        f"{len(workers)} workers: {streams.total()} streams{_in_words(streams)}, "
        f"{running.total()} requests run{_in_words(running)}"
    ]
    lines += [_line(worker) for worker in workers]
    users = Counter[str]()
    for worker in workers:
        for owner, counts in worker["users"].items():
            users[owner] += sum(counts.values())
    for owner, count in users.most_common(_MAX_SHOWN):
        lines.append(f"  user {owner or '-'}: {count} open")
    return lines


def _line(worker: JSONObject) -> str:
    rates = worker.get("rates", {})
    counts = ", ".join(
        f"{worker[name]} {name}" + (f" ({rates[name]:g}/s)" if rates else "")
        for name in ("handled", "refused", "relayed")
    )
    return (
        f"  {worker['host']}:{worker['pid']} {worker['state']} for "
        f"{worker['seconds']:.0f} s: {sum(worker['streams'].values())} streams, "
        f"{sum(worker['running'].values())} run, {worker['threads']} threads held; "
        f"{counts}"
    )


def _in_words(counts: Counter[str]) -> str:
    some = ", ".join(f"{count} {name}" for name, count in counts.most_common(5))
    return f" ({some})" if some else ""


def _ended(answers: Answers) -> list[str]:
    return [
        f"{worker['host']}:{worker['pid']} ended {worker['streams']} streams and "
        f"{worker['calls']} calls"
        for worker in answers.workers
    ]


def _warnings(answers: Answers) -> list[str]:
    lines = [
        f"WARNING: a worker is silent, last heard of {seconds:.0f} s ago ({mailbox})"
        for mailbox, seconds in answers.silent.items()
    ]
    if answers.problem:
        lines.append(f"WARNING: {answers.problem}")
    if not answers.workers:
        lines.append("no worker answered: none has served an MCP request yet")
    return lines
