"""What operators ask of every worker: how it is, and to end what is open there."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, Self, TypeAlias

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.tallies import tallies
from mcp_django.bulkheads.threads import held_by_handlers
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.requests import Request
from mcp_django.worker.connections import OpenConnection, close
from mcp_django.worker.worker import Worker, make_in_every_worker

TOLD: Final = "operate"
"""The kind of what operators tell all workers."""

_MAX_USERS: Final = 1000
"""Users of whom a worker tells by name; of more, those that have most open."""

_MAX_ANSWERED: Final = 100
_ENDED: Final = ErrorAnswer(INTERNAL_ERROR, "the request was ended by an operator")

EndSessions: TypeAlias = Callable[[str | None, float], None]
"""Ends sessions of a user, or of all users (None), that began before a time."""


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
        self._asked: dict[str, Answer] = {"end": self._end, "status": self._describe}
        self._answered: OrderedDict[str, JSONObject] = OrderedDict()
        worker.relay.on_told(TOLD, self._hear)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make that of a worker; see `Worker.part`."""
        return cls(worker)

    def on_end(self, end: EndSessions) -> None:
        """Have it called when sessions end of which nothing needs to be open here."""
        self._end_sessions.append(end)

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
        for connection, kind in self._worker.connections.with_kinds():
            if kind == "stream":
                streams[connection.sort] += 1
            else:
                running.update(map(_name_of, connection.running))
            owned = by_user.setdefault(connection.identity.owner, Counter())
            if kind == "stream":
                running.update(map(_name_of, connection.running))
            owned[f"{kind}s"] += 1
        return {
            "state": "draining" if self._worker.is_ending else "serving",
            "seconds": round(time.monotonic() - self._began, 3),
            "streams": dict(streams),
            "running": dict(running),
            "threads": len(held_by_handlers()),
            "handled": tallies.handled,
            "refused": tallies.refused,
            "relayed": tallies.relayed,
            **_largest(by_user),
        }

    # Ending ---------------------------------------------------------------------

    def _end(self, ask: JSONObject) -> JSONObject:
        feature = ask["feature"]
        if feature is not None:
            return self._end_calls_of(feature)
        user, token, before = ask["user"], ask["token"], ask["before"]
        if token is None:
            for end in self._end_sessions:
                end(user, before)
        ended: Counter[str] = Counter(streams=0, calls=0)
        for connection, kind in self._worker.connections.with_kinds():
            identity = connection.identity
            is_meant = _has_token(identity, token) if token else True
            if is_meant and user in (None, identity.owner):
                ended[f"{kind}s"] += 1
                self._worker.start(close(connection, "operator"))
        return dict(ended)

    def _end_calls_of(self, feature: str) -> JSONObject:
        def is_meant(request: Request) -> bool:
            return _name_of(request) == feature

        calls = 0
        for connection in self._worker.connections:
            found = sum(map(is_meant, connection.running))
            if found:
                calls += found
                self._worker.start(_end_running(connection, is_meant))
        return {"streams": 0, "calls": calls}


async def _end_running(
    connection: OpenConnection, is_meant: Callable[[Request], bool]
) -> None:
    await connection.end_running(is_meant, _ENDED)


def _name_of(request: Request) -> str:
    """Name what a request concerns: `tool:refund`, or else its method."""
    feature = request.feature
    return request.method if feature is None else f"{feature.kind}:{feature.name}"


def _has_token(identity: Identity, token: list[str]) -> bool:
    """Say whether a credential is a token, given by what reads it and its key."""
    kind, key = token
    classes = type(identity.authenticator).__mro__
    return str(identity.credential) == key and any(
        f"{each.__module__}.{each.__qualname__}" == kind for each in classes
    )


def _largest(by_user: dict[str, Counter[str]]) -> JSONObject:
    """Tell of the users that have most open by name, and of the rest in a sum."""
    users = sorted(by_user.items(), key=lambda item: -item[1].total())
    rest = sum((counts for _, counts in users[_MAX_USERS:]), Counter[str]())
    named = {owner: dict(counts) for owner, counts in users[:_MAX_USERS]}
    return {"users": named, "other_users": dict(rest)}
