"""Batches over Streamable HTTP: several requests of one POST, answered together.

Spec: 2025-03-26 basic, "Batching".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, Final

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer
from mcp_django.exchanges.calls import LegacyExchange, WaitForDisconnect
from mcp_django.exchanges.turns import Turns
from mcp_django.server.answering import ResultOrError
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.worker.connections import Places

logger = logging.getLogger("mcp_django.exchanges")

_NO_ROOM: Final = ErrorAnswer(
    INTERNAL_ERROR,
    "the request was not carried out: there is no room for its answer beside those "
    "that wait to be read; send it again, in a smaller batch or alone",
)


class BatchedExchange(LegacyExchange):
    """A request of a batch, which waits for its turn in its session.

    It counts in its session from when it is made, so that it has to be run.
    """

    __slots__ = ("_has_turn",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._has_turn = False
        self.worker.part(Turns).enter(self.session.key)

    async def _answer(self) -> ResultOrError:
        """Run the handler when it is its turn, if there is room for what it gives."""
        await self.worker.part(Turns).begin(self.session.key)
        self._has_turn = True
        if not await self._has_room():
            return _NO_ROOM
        return await super()._answer()

    async def _has_room(self) -> bool:
        # What is collected for one body is not read before all of it is there.
        return not self.reply.is_full and await self.worker.unread.wait_for_room(
            self.identity.owner, mcp_settings.ROOM_TIMEOUT
        )

    def _let_go(self) -> None:
        super()._let_go()
        turns, key = self.worker.part(Turns), self.session.key
        if self._has_turn:
            turns.end(key)
        turns.leave(key)


async def run_together(
    exchanges: Sequence[BatchedExchange],
    places: Places | None,
    at_once: Sequence[bytes],
    reply: Reply,
    wait_for_disconnect: WaitForDisconnect,
) -> None:
    """Answer the requests of a batch side by side, each in a task of its own.

    The tasks are held by the worker, and go on when the client is gone.

    Args:
        exchanges: One for each request that needs a handler.
        places: Reserved for them, one each; None if there are none.
        at_once: The answers to the others.
        reply: Takes all of the answers.
        wait_for_disconnect: Returns when the reply is complete, or the client gone.
    """
    if places is not None:
        for exchange in exchanges:
            exchange.worker.start(_run_alone(exchange, places))
    for answer in at_once:
        await reply.answer(answer)
    await wait_for_disconnect()
    reply.detach()


async def _run_alone(exchange: BatchedExchange, places: Places) -> None:
    try:
        with places:
            # The task of the batch itself watches its client.
            await exchange.run(asyncio.Event().wait)
    except Exception:
        # Such as a cache that is away; the connection ends without this answer.
        logger.exception("a request of a batch failed")
        with contextlib.suppress(Exception):  # For the same reason.
            await exchange.reply.skip()
