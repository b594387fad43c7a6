"""What other workers relay to sessions of this one, and how these take it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from mcp_django.auth.users import read_again
from mcp_django.bulkheads.counted import Counted
from mcp_django.exceptions import ServiceAway
from mcp_django.sessions.posting import take
from mcp_django.sessions.registry import OpenSession
from mcp_django.transports.base import Sender
from mcp_django.worker.acknowledgement import NOT_FOUND, Taken, refusal
from mcp_django.worker.send_queue import Envelope

logger = logging.getLogger("mcp_django.sessions")

_MAX_NONCES: Final = 10_000


class Relayed:
    """Gives sessions what was posted to other workers; what comes late or twice, not.

    Args:
        find: Finds a session of this worker by id.
    """

    def __init__(self, find: Callable[[str], OpenSession | None]) -> None:
        self._find = find
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._last: dict[str, asyncio.Future[None]] = {}
        self._dropped = Counted(
            logger, "%d relayed messages came late or twice; they are dropped"
        )

    def is_new(self, envelope: Envelope) -> bool:
        """Say whether an envelope came in time, and for the first time."""
        nonce = envelope["nonce"]
        if envelope["expires"] <= time.time() or nonce in self._nonces:
            self._dropped.note()
            return False
        self._nonces[nonce] = None
        if len(self._nonces) > _MAX_NONCES:
            self._nonces.popitem(last=False)
        return True

    async def take(self, envelope: Envelope) -> Taken:
        """Hand a posted body to its session, after what came before for the same one.

        How long its user takes to be read again does not change the order.

        Args:
            envelope: Brings the body; is begun to be taken in the order of coming.
        """
        opened = self._find(envelope["session"])
        if opened is None or not opened.belongs_to(
            envelope["server"], envelope["owner"]
        ):
            return NOT_FOUND
        rest = self._rest_of(envelope)
        if rest <= 0:
            return NOT_FOUND
        try:
            async with self._turn(opened.id):
                # Whoever posted it shall hear of that before it waits no longer.
                user = await read_again(opened.identity.user, within=rest * 0.7)
        except ServiceAway as away:
            return refusal(503, away.message)
        rest = self._rest_of(envelope)
        if user is None or rest <= 0:
            return NOT_FOUND
        body = envelope["body"]
        sender = Sender(user, envelope["headers"], len(body))
        # Leave the acknowledgement some time to travel.
        return await take(opened, body, sender, room_timeout=rest * 0.7)

    @asynccontextmanager
    async def _turn(self, session_id: str) -> AsyncIterator[None]:
        """End no sooner than what was begun before for the same session.

        All that is waited for within is bounded, and so is this. Who comes next goes on
        in another task, after this one has handed over what it can at once: what waits
        for room in the session holds up no answer, which needs none.
        """
        before = self._last.get(session_id)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last[session_id] = turn
        try:
            yield
            if before is not None:
                await asyncio.wait([before])
        finally:
            turn.set_result(None)
            if self._last[session_id] is turn:
                del self._last[session_id]

    def _rest_of(self, envelope: Envelope) -> float:
        """Give the seconds that are left to take a message; none, and it is dropped."""
        rest: float = envelope["expires"] - time.time()
        if rest <= 0:
            self._dropped.note()
        return rest
