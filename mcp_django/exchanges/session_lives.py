"""Telling the site's receivers of legacy sessions over Streamable HTTP.

No process holds them, so that the end of some is heard of where they were opened: of
those that expire, and of those that operators end without naming them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.server.server import Server
from mcp_django.server.session_lives import SessionLife, Why, is_heard
from mcp_django.worker.operated import Operated
from mcp_django.worker.operator_ends import Ended
from mcp_django.worker.worker import Worker

_MAX_REMEMBERED: Final = 10_000
"""Sessions of which a worker keeps in mind that it opened them."""

_BINDING: Final = "streamable-http"


@dataclass(frozen=True, slots=True)
class _Opened:
    """A session that was opened here."""

    server: Server
    session: HTTPSession
    user: Any


class SessionLives:
    """Tells of sessions that begin and end; a part of its worker.

    Args:
        worker: Where sessions are opened, and ended.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        # By key; the oldest first, and so the one that expires first.
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        worker.part(OpenSessions).on_end(self._forget)
        worker.part(Operated).on_end(self._end_before)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls(worker)

    async def open(self, server: Server, session: HTTPSession, user: Any) -> None:
        """Tell that a session begins."""
        self._opened[session.key] = _Opened(server, session, user)
        if len(self._opened) > _MAX_REMEMBERED:
            self._opened.popitem(last=False)
        self._look_later()
        life = SessionLife(server, _BINDING, session.key)
        await life.open(session.peer, user)

    def _forget(self, key: str) -> None:
        """Leave it to the worker that ended a session to tell so."""
        self._opened.pop(key, None)

    def _end_before(self, ended: Ended) -> None:
        """Tell of those that an operator ends."""
        for key, opened in list(self._opened.items()):
            if opened.session.is_ended_by(ended):
                self._end(key, "operator")

    def _look_later(self) -> None:
        """See to it that what expires is told of."""
        if self._timer is None and self._opened:
            oldest = next(iter(self._opened.values()))
            rest = max(0.0, oldest.session.rest)
            self._timer = self._worker.loop.call_later(rest, self._end_expired)

    def _end_expired(self) -> None:
        self._timer = None
        for key, opened in list(self._opened.items()):
            if opened.session.rest > 0:
                break
            self._end(key, "expired")
        self._look_later()

    def _end(self, key: str, why: Why) -> None:
        opened = self._opened.pop(key)
        told = tell_end(opened.server, opened.session, opened.user, why)
        self._worker.start(told)


async def end_session(
    worker: Worker, server: Server, session: HTTPSession, user: Any, why: Why
) -> None:
    """End a session in every worker, and tell of it.

    Raises:
        ServiceAway: As for `OpenSessions.end`; it has ended all the same.
    """
    sessions = worker.part(OpenSessions)
    is_news = not sessions.has_heard_of_end(session)
    try:
        is_news = await sessions.end(session)
    finally:
        if is_news:
            await tell_end(server, session, user, why)


async def end_by_operator(
    worker: Worker, server: Server, session: HTTPSession, user: Any
) -> None:
    """End a session that an operator named by what is open of it."""
    # Where the cache is away, workers that run know, and note it there later.
    with suppress(ServiceAway):
        await end_session(worker, server, session, user, "operator")


async def tell_end(server: Server, session: HTTPSession, user: Any, why: Why) -> None:
    """Tell that a session has ended, if receivers want to hear of it."""
    if is_heard(server):
        life = SessionLife(server, _BINDING, session.key)
        life.resume(session.peer, user, session.created)
        await life.end(why)
