"""Which legacy sessions over Streamable HTTP are open, as far as one worker knows.

Nothing is kept of a session that is open. Which ones have ended is told to all workers,
and kept in the cache for those that start later.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self, TypeAlias

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.session_id import HTTPSession, mark_of
from mcp_django.exchanges.session_state import has_ended, note_end, note_ends_before
from mcp_django.worker.operated import Operated
from mcp_django.worker.operator_ends import Ended
from mcp_django.worker.relay import Relay
from mcp_django.worker.tasks import Start
from mcp_django.worker.worker import Worker

Note: TypeAlias = Callable[[], Awaitable[None]]

_MAX_REMEMBERED: Final = 10_000
"""Sessions of which the worker remembers whether they have ended."""


class OpenSessions:
    """Says which sessions are open, and ends them; a part of its worker.

    Args:
        relay: Makes ends known to the other workers.
        start: Runs a coroutine in a task that is held.
    """

    def __init__(self, relay: Relay, start: Start) -> None:
        self._relay = relay
        self._start = start
        self._told_of_ends: list[Callable[[str], None]] = []
        # Key of a session -> when it was last known to be open; never for one that
        # has ended.
        self._looked_up: OrderedDict[str, float] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        # Mark of sessions -> when all were ended that were open.
        self._ended_before: OrderedDict[str, float] = OrderedDict()
        # What the cache does not know yet: the key of a session that has ended, or the
        # mark of some, and what notes it there.
        self._unkept: OrderedDict[str, Note] = OrderedDict()
        self._is_keeping = False
        relay.on_told("ended", lambda told: self._note_end(told["session"]))
        relay.on_lost(self._looked_up.clear)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        made = cls(worker.relay, worker.start)
        worker.part(Operated).on_end(made.end_before)
        return made

    def on_end(self, function: Callable[[str], None]) -> None:
        """Have it called with the key of each session that ends, in any worker."""
        self._told_of_ends.append(function)

    async def is_open(self, session: HTTPSession) -> bool:
        """Say whether a session has not been ended.

        Ends are told to all workers, and kept in the cache, where this looks again
        every `RECHECK_SECONDS`, should a worker not have heard of one. While the cache
        is away, a session counts as open of whose end nothing was heard.
        """
        key = session.key
        if key in self._ended or (self._ended_before and self._is_before(session)):
            return False
        now = time.monotonic()
        looked_up = self._looked_up.get(key)
        if looked_up is not None and now - looked_up < mcp_settings.RECHECK_SECONDS:
            return True
        # Only a worker with a mailbox hears of ends.
        self._relay.open_soon()
        is_reached = bool(self._relay.mailbox) or not self._relay.has_layer
        try:
            if await has_ended(session):
                self._note_end(key)
                return False
        except ServiceAway:
            return True
        if is_reached:
            _remember(self._looked_up, key, now)
        return True

    def has_heard_of_end(self, session: HTTPSession) -> bool:
        """Say whether this worker knows already that a session was ended."""
        return session.key in self._ended

    async def end(self, session: HTTPSession) -> bool:
        """End a session, in every worker.

        Returns:
            Whether it was open until then, and no other worker ends it.

        Raises:
            ServiceAway: The cache: the workers that run know of the end, and those that
                are started later will as soon as the cache takes it.
        """
        was_open = not self.has_heard_of_end(session)
        self._note_end(session.key)
        with suppress(ServiceAway):  # They look into the cache as well.
            await self._relay.tell({"kind": "ended", "session": session.key})
        try:
            return await note_end(session) and was_open
        except ServiceAway:
            self._keep_later(session.key, partial(_note_end, session))
            raise

    def end_before(self, ended: Ended) -> None:
        """End the sessions that an operator means."""
        for mark in (mark_of(ended.by, name) for name in ended.names):
            _remember(self._ended_before, mark, ended.before)
            if not ended.is_kept:
                note = partial(note_ends_before, [mark], ended.before)
                self._keep_later(mark, note)
        self._looked_up.clear()

    def _is_before(self, session: HTTPSession) -> bool:
        ends = self._ended_before
        befores = [ends[mark] for mark in session.all_marks if mark in ends]
        return session.created <= max(befores, default=-math.inf)

    def _keep_later(self, key: str, note: Note) -> None:
        _remember(self._unkept, key, note)
        if not self._is_keeping:
            self._is_keeping = True
            self._start(self._keep_ends())

    async def _keep_ends(self) -> None:
        """Keep in the cache which sessions have ended, as soon as it takes that."""
        try:
            while self._unkept:
                await asyncio.sleep(mcp_settings.AWAY_SECONDS)
                with suppress(ServiceAway):
                    while self._unkept:
                        key, note = next(iter(self._unkept.items()))
                        await note()
                        if self._unkept.get(key) is note:
                            del self._unkept[key]
        finally:
            self._is_keeping = False

    def _note_end(self, key: str) -> None:
        _remember(self._ended, key, None)
        self._looked_up.pop(key, None)
        for tell in self._told_of_ends:
            tell(key)


async def _note_end(session: HTTPSession) -> None:
    if session.rest > 0:
        await note_end(session)


def _remember(memory: OrderedDict[Any, Any], key: str, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MAX_REMEMBERED:
        memory.popitem(last=False)
