"""What operators ask of every worker: how it is, and to end what is open there."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final, Self, TypeAlias

from mcp_django.bulkheads.tallies import tallies
from mcp_django.bulkheads.threads import held_by_handlers
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.switched_off import switched_off
from mcp_django.worker.listed import id_of, listed
from mcp_django.worker.operator_ends import (
    Ended,
    end_connection,
    end_one,
    end_requests,
    name_of,
)
from mcp_django.worker.worker import Worker, make_in_every_worker

TOLD: Final = "operate"
"""The kind of what operators tell all workers."""

_MAX_USERS: Final = 1000
"""Users of whom a worker tells by name; of more, those that have most open."""

_MOST_REASONS: Final = 30
_MAX_ANSWERED: Final = 100

EndSessions: TypeAlias = Callable[[Ended], None]
"""Ends sessions that an operator means, and of which nothing needs to be open."""

Answer: TypeAlias = Callable[[JSONObject], JSONObject]
"""Does what is asked, in the event loop, and gives what to say of it; must not wait."""


def connect() -> None:
    """Have every worker answer operators."""
    make_in_every_worker(Operated)


class Operated:
    """Says how a worker is, and ends what is open there; a part of the worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._id = secrets.token_urlsafe(6)
        self._began = time.monotonic()
        self._end_sessions: list[EndSessions] = []
        self._ended: deque[Ended] = deque(maxlen=_MAX_ANSWERED)
        self._asked: dict[str, Answer] = {"end": self._end, "status": self._describe}
        self._answered: OrderedDict[str, JSONObject] = OrderedDict()
        worker.relay.on_told(TOLD, self._hear)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make that of a worker; see `Worker.part`."""
        return cls(worker)

    def on_end(self, end: EndSessions) -> None:
        """Have it called when sessions end, and for those that have ended lately."""
        self._end_sessions.append(end)
        for ended in self._ended:
            end(ended)

    def on_asked(self, what: str, answer: Answer) -> None:
        """Have something else answered that is asked of every worker."""
        self._asked[what] = answer

    def _hear(self, told: JSONObject) -> None:
        answer = {"type": "mcp.operated", **self.answer(told)}
        self._worker.relay.send_soon(told["to"], answer)

    def answer(self, ask: JSONObject) -> JSONObject:
        """Do what is asked, in the event loop; once, also if it is heard twice."""
        nonce = ask["nonce"]
        answer = self._answered.get(nonce)
        if answer is None:
            told = self._asked[ask["ask"]](ask)
            relay = self._worker.relay
            answer = {
                "nonce": nonce,
                "worker": self._id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "time": round(time.time(), 3),
                "mailbox": relay.mailbox,
                "peers": relay.seconds_since_peers(),
                **told,
            }
            self._answered[nonce] = answer
            if len(self._answered) > _MAX_ANSWERED:
                self._answered.popitem(last=False)
        return answer

    # How it is ------------------------------------------------------------------

    def _describe(self, ask: JSONObject) -> JSONObject:
        streams: Counter[str] = Counter()
        by_user: dict[str, Counter[str]] = {}
        running: Counter[str] = Counter()
        entries = self._worker.connections.entries()
        for connection, kind, _, _ in entries:
            if kind == "stream":
                streams[connection.sort] += 1
            else:
                running.update(map(name_of, connection.running))
            owned = by_user.setdefault(connection.identity.owner, Counter())
            if kind == "stream":
                running.update(map(name_of, connection.running))
            owned[f"{kind}s"] += 1
        return {
            "state": "draining" if self._worker.is_ending else "serving",
            "seconds": round(time.monotonic() - self._began, 3),
            "streams": dict(streams),
            "running": dict(running),
            "threads": len(held_by_handlers()),
            "handled": tallies.handled,
            "refused": tallies.refused_by.total(),
            "refused_by": {str(s): n for s, n in tallies.refused_by.items()},
            "refused_because": _most_frequent(tallies.refused_because),
            "relayed": tallies.relayed,
            "switched_off": sorted(map(str, switched_off.features)),
            **_largest(by_user),
            **(listed(entries, self._id, ask) if "list" in ask else {}),
        }

    # Ending ---------------------------------------------------------------------

    def _end(self, ask: JSONObject) -> JSONObject:
        ended = Ended.of_json(ask)
        match ended.by:
            case "feature":
                return self._end_calls(ended)
            case "connection":
                return self._end_named(ended.names)
        self._ended.append(ended)
        for end in self._end_sessions:
            end(ended)
        counts = Counter[str](streams=0, calls=0)
        for connection, kind, _, _ in self._worker.connections.entries():
            if ended.is_opened_by(connection.identity):
                counts[f"{kind}s"] += 1
                self._worker.start(end_connection(connection))
        return dict(counts)

    def _end_calls(self, ended: Ended) -> JSONObject:
        counts = Counter[str](streams=0, calls=0)
        for connection in self._worker.connections:
            requests = ended.requests_of(connection)
            if requests:
                counts["calls"] += len(requests)
                self._worker.start(end_requests(connection, requests))
        return dict(counts)

    def _end_named(self, names: Sequence[str]) -> JSONObject:
        counts = Counter[str](streams=0, calls=0)
        for entry in self._worker.connections.entries():
            if id_of(entry, self._id) in names:
                counts[f"{entry.kind}s"] += 1
                self._worker.start(end_one(entry.connection))
        return dict(counts)


def _most_frequent(reasons: Counter[tuple[int, str]]) -> list[list[JSON]]:
    """Give statuses, reasons and counts of what was refused most often."""
    return [
        [status, reason, count]
        for (status, reason), count in reasons.most_common(_MOST_REASONS)
    ]


def _largest(by_user: dict[str, Counter[str]]) -> JSONObject:
    """Tell of the users that have most open by name, and of the rest in a sum."""
    users = sorted(by_user.items(), key=lambda item: -item[1].total())
    rest = sum((counts for _, counts in users[_MAX_USERS:]), Counter[str]())
    named = {owner: dict(counts) for owner, counts in users[:_MAX_USERS]}
    return {"users": named, "other_users": dict(rest)}
