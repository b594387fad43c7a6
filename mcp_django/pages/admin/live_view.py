"""What the page "Live" shows of what workers say, in words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mcp_django.operations import Answers
from mcp_django.operations.users import names_of
from mcp_django.pages.admin.credential_rows import CredentialRow, find_rows
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.asking import AWAY, NO_LAYER

LISTED: Final = 200
"""Connections that each worker lists."""

_MOST_ROWS: Final = 300
_MOST_USERS: Final = 20
_MOST_REASONS: Final = 20

_SORTS: Final[Mapping[str, str | Promise]] = {
    "call": gettext_lazy("Streamable HTTP, a request"),
    "listen": gettext_lazy("Streamable HTTP, a stream of changes"),
    "standalone": gettext_lazy("Streamable HTTP, the stream of a session"),
    "resumed": gettext_lazy("Streamable HTTP, a stream taken up again"),
    "sse": "HTTP+SSE",
    "websocket": "WebSocket",
    "stdio": "stdio",
    "memory": gettext_lazy("in the process itself"),
    "custom": gettext_lazy("a transport of the site's own"),
}

_STATES: Final[Mapping[str, Promise]] = {
    "serving": gettext_lazy("serving"),
    "draining": gettext_lazy("about to end"),
}

_PROBLEMS: Final[Mapping[str, Promise]] = {
    NO_LAYER: gettext_lazy(
        "Only the workers of this process are shown: there is no channel layer that "
        "joins processes. Where there are several, set CHANNEL_LAYERS."
    ),
    AWAY: gettext_lazy(
        "Only the workers of this process are shown: the channel layer does not answer."
    ),
}


@dataclass(frozen=True, slots=True)
class Owner:
    """A user who has something open.

    Attributes:
        key: The primary key as text; "" for no user.
        name: By which the user logs in; "" where that is not known.
        count: How much that is; 0 where it was not counted.
    """

    key: str
    name: str
    count: int = 0

    def __str__(self) -> str:
        if not self.key:
            return _("no user")
        return self.name or _("user with the id %(id)s") % {"id": self.key}


@dataclass(frozen=True, slots=True)
class Open:
    """A stream or a call that is open.

    Attributes:
        id: By which it is ended.
        over: How it is connected.
        age: For how long.
        server: Name of the server.
        owner: Whose it is.
        credential: With which it was opened.
        program: The program of OAuth that did so; None if there is none.
        client: What the client calls itself.
        version: Protocol version; "" while it is not known.
        running: What runs, by feature or method.
        unnamed: How much more.
        waiting: How many requests wait.
        worker: Host and process.
    """

    id: str
    over: str
    age: str
    server: str
    owner: Owner
    credential: CredentialRow | None
    program: CredentialRow | None
    client: str
    version: str
    running: Sequence[str]
    unnamed: int
    waiting: int
    worker: str

    @property
    def credentials(self) -> Sequence[CredentialRow]:
        """The program and the credential, as far as they are known."""
        return [each for each in (self.program, self.credential) if each is not None]


class LiveView:
    """What workers say, as the page shows it.

    Args:
        answers: What they answered, with lists.
        request: Of the page; its user may follow links to some rows.
        site: The admin site.
    """

    def __init__(self, answers: Answers, request: Any, site: Any) -> None:
        self._answers = answers
        self._workers = answers.workers
        rows = [(row, each) for each in self._workers for row in each.get("open", ())]
        rows.sort(key=lambda pair: (not pair[0]["running"], -pair[0]["seconds"]))
        shown = rows[:_MOST_ROWS]
        counts = _count_by_user(self._workers)
        most = counts.most_common(_MOST_USERS)
        owners = {*dict(most), *(row["user"] for row, _ in shown)}
        names = names_of(owners)
        labels = {row[key] for row, _ in shown for key in ("credential", "program")}
        found = find_rows(labels - {""}, request, site)
        self.open = [_open(row, worker, names, found) for row, worker in shown]
        self.unlisted = len(rows) - len(shown) + self._sum("unlisted")
        self.owners = [Owner(key, names.get(key, ""), count) for key, count in most]

    def _sum(self, key: str) -> int:
        return sum(worker.get(key, 0) for worker in self._workers)

    @property
    def streams(self) -> int:
        """How many are open in all."""
        return sum(sum(worker["streams"].values()) for worker in self._workers)

    @property
    def running(self) -> int:
        """How many requests run in all."""
        return sum(sum(worker["running"].values()) for worker in self._workers)

    @property
    def workers(self) -> Sequence[JSONObject]:
        """Each worker, in the order of hosts."""
        return [
            {
                "name": _name_of(worker),
                "state": _STATES.get(worker["state"], worker["state"]),
                "age": lasting(worker["seconds"]),
                "streams": sum(worker["streams"].values()),
                "running": sum(worker["running"].values()),
                **{
                    key: worker[key]
                    for key in ("threads", "handled", "refused", "relayed")
                },
            }
            for worker in sorted(self._workers, key=_name_of)
        ]

    @property
    def refusals(self) -> Sequence[tuple[int, str, int]]:
        """Status, reason and count of what was refused, the most frequent first.

        The reason is "" for those of which only the status is known.
        """
        by_status = Counter[int]()
        by_reason = Counter[tuple[int, str]]()
        for worker in self._workers:
            for status, count in worker["refused_by"].items():
                by_status[int(status)] += count
            # One of an earlier version has none.
            for status, reason, count in worker.get("refused_because", ()):
                by_reason[status, reason] += count
        shown = by_reason.most_common(_MOST_REASONS)
        for (status, _reason), count in shown:
            by_status[status] -= count
        rest = [(status, "", count) for status, count in by_status.items() if count > 0]
        found = [(status, reason, count) for (status, reason), count in shown]
        return sorted([*found, *rest], key=lambda row: -row[2])

    @property
    def warnings(self) -> Sequence[str]:
        """What may be missing, in sentences."""
        return warnings_of(self._answers)


def warnings_of(answers: Answers) -> list[str]:
    """Say in sentences for a page what may be missing of what workers say."""
    found = [
        _(
            "The worker with the mailbox %(mailbox)s does not answer; others last "
            "heard of it %(ago)s ago. It was killed, hangs, or has no room."
        )
        % {"mailbox": mailbox, "ago": lasting(seconds)}
        for mailbox, seconds in answers.silent.items()
    ]
    if answers.problem:
        found.append(str(_PROBLEMS.get(answers.problem, answers.problem)))
    return found


def lasting(seconds: float) -> str:
    """Say a time in words, such as "12 seconds" or "3 hours"."""
    if seconds < 60:
        count = int(seconds)
        return ngettext("%(count)d second", "%(count)d seconds", count) % {
            "count": count
        }
    now = timezone.now()
    return timesince(now - timedelta(seconds=seconds), now, depth=1)


def _name_of(worker: JSONObject) -> str:
    return f"{worker['host']}:{worker['pid']}"


def _count_by_user(workers: Collection[JSONObject]) -> Counter[str]:
    users = Counter[str]()
    for worker in workers:
        for key, counts in worker["users"].items():
            users[key] += sum(counts.values())
    return users


def _open(
    row: JSONObject,
    worker: JSONObject,
    names: Mapping[str, str],
    found: Mapping[str, CredentialRow],
) -> Open:
    return Open(
        id=row["id"],
        over=str(_SORTS.get(row["sort"], row["sort"])),
        age=lasting(row["seconds"]),
        server=row["server"],
        owner=Owner(row["user"], names.get(row["user"], "")),
        credential=found.get(row["credential"]),
        program=found.get(row["program"]),
        client=" ".join(filter(None, [row["client"], row["client_version"]])),
        version=row["version"],
        running=row["running"],
        unnamed=row["unnamed"],
        waiting=row["waiting"],
        worker=_name_of(worker),
    )
