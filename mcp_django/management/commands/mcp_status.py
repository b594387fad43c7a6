"""`manage.py mcp_status`: how all workers are, and ending what is open there."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.management.what_to_end import HOW, read_what, wrong
from mcp_django.operations import Answers, end, status
from mcp_django.operations.users import names_of
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.terminal import printable
from mcp_django.worker.listed import MOST

_MAX_SHOWN: Final = 20


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
        parser.add_argument(
            "--open",
            metavar="COUNT",
            type=int,
            nargs="?",
            const=20,
            help="also list what is open, so much of each worker; 20",
        )
        parser.add_argument("--end", metavar="WHAT", help=f"end what is open: {HOW}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the workers, and write what they say."""
        pause = options["watch"]
        if pause is not None and (options["end"] or not 0.1 <= pause <= 3600):
            raise wrong(
                "--watch must be between 0.1 and 3600 seconds, and without --end"
            )
        count = options["open"]
        if count is not None and (options["end"] or not 0 < count <= MOST):
            raise wrong(f"--open must be between 1 and {MOST}, and without --end")
        answers = _end(options["end"]) if options["end"] else status(listed=count or 0)
        while True:
            self._write(answers, options)
            if pause is None:
                break
            try:
                time.sleep(pause)
            except KeyboardInterrupt:
                return
            before, answers = answers, status(listed=count or 0)
            _add_rates(answers, before)
        if answers.are_missing:
            sys.exit(1)

    def _write(self, answers: Answers, options: dict[str, Any]) -> None:
        if options["json"]:
            is_one = options["watch"] is None
            text = json.dumps(answers.as_json(), indent=2 if is_one else None)
        else:
            lines = _ended(answers) if options["end"] else _lines(answers)
            text = "\n".join(map(printable, [*lines, *answers.warnings()]))
        self.stdout.write(text)
        self.stdout.flush()


def _end(text: str) -> Answers:
    """End what an option names.

    Raises:
        CommandError: It names nothing that there is.
    """
    with needing_database():
        what = read_what(text)
    answers = end(**what.arguments)
    has_ended = any(each["streams"] or each["calls"] for each in answers.workers)
    if what.unknown and not has_ended and not answers.silent:
        raise wrong("; ".join(filter(None, [what.unknown, answers.problem])))
    return answers


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
        f"{_count(len(workers), 'worker')}: "
        f"{_count(streams.total(), 'stream')}{_in_words(streams)}, "
        f"{running.total()} running{_in_words(running)}"
    ]
    lines += [_line(worker) for worker in workers]
    lines += _switched_off(workers)
    users = Counter[str]()
    for worker in workers:
        for owner, counts in worker["users"].items():
            users[owner] += sum(counts.values())
    shown = users.most_common(_MAX_SHOWN)
    # One of an earlier version lists nothing.
    opened = [row for worker in workers for row in worker.get("open", ())]
    names = names_of({*dict(shown), *(row["user"] for row in opened)})
    lines += [f"  {_user(owner, names)}: {count} open" for owner, count in shown]
    lines += [_open(row, names) for row in opened]
    if unlisted := sum(worker.get("unlisted", 0) for worker in workers):
        lines.append(f"  {unlisted} more open")
    return lines


def _user(owner: str, names: Mapping[str, str]) -> str:
    if not owner:
        return "no user"
    return f"user {names[owner]} (id {owner})" if owner in names else f"user id {owner}"


def _open(row: JSONObject, names: Mapping[str, str]) -> str:
    """Say in a line what is open."""
    client = " ".join(filter(None, [row["client"], row["client_version"]]))
    running = row["running"] + [f"{row['unnamed']} more"] * bool(row["unnamed"])
    parts = [
        f"{row['id']} {row['sort']} for {row['seconds']:.0f} s",
        _user(row["user"], names),
        row["credential"] and f"by {row['credential']}",
        row["program"] and f"of {row['program']}",
        client and f"client {client}",
        row["server"] and f"server {row['server']}",
        row["version"],
        running and f"runs {', '.join(running)}",
        row["waiting"] and f"{row['waiting']} waiting",
    ]
    return f"  {', '.join(filter(None, parts))}"


def _switched_off(workers: Sequence[JSONObject]) -> list[str]:
    """Say what is switched off, and in how many workers, where not all have heard."""
    off = Counter[str]()
    for worker in workers:
        off.update(worker.get("switched_off", ()))  # one of an earlier version has none
    count = len(workers)
    return [
        f"  {name} is switched off" + (f" in {n} of {count} workers" * (n < count))
        for name, n in sorted(off.items())
    ]


def _line(worker: JSONObject) -> str:
    rates = worker.get("rates", {})
    counts = ", ".join(
        f"{worker[name]} {name}" + (f" ({rates[name]:g}/s)" if rates else "")
        for name in ("handled", "refused", "relayed")
    )
    refused = Counter[str](worker["refused_by"]).most_common(5)
    reasons = ", ".join(f"{count} with {status}" for status, count in refused)
    return (
        f"  {worker['host']}:{worker['pid']} {worker['state']} for "
        f"{worker['seconds']:.0f} s: "
        f"{_count(sum(worker['streams'].values()), 'stream')}, "
        f"{sum(worker['running'].values())} running, "
        f"{_count(worker['threads'], 'thread')} held; "
        f"{counts}{reasons and f' (refused: {reasons})'}"
    )


def _count(number: int, name: str) -> str:
    return f"{number} {name if number == 1 else f'{name}s'}"


def _in_words(counts: Counter[str]) -> str:
    some = ", ".join(f"{count} {name}" for name, count in counts.most_common(5))
    return f" ({some})" if some else ""


def _ended(answers: Answers) -> list[str]:
    return [
        f"{worker['host']}:{worker['pid']} ended "
        f"{_count(worker['streams'], 'stream')} and {_count(worker['calls'], 'call')}"
        for worker in answers.workers
    ]
