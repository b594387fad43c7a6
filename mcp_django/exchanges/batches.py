"""Batches over Streamable HTTP: several requests of one POST, answered together.

Spec: 2025-03-26 basic, "Batching".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.tallies import tallies
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer
from mcp_django.exchanges.calls import WaitForDisconnect
from mcp_django.exchanges.legacy_calls import LegacyCall, reply_to
from mcp_django.exchanges.legacy_sessions import take
from mcp_django.exchanges.post import Post
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.turns import Turns
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Answered, Event, RequestReceived
from mcp_django.server.answering import ResultOrError
from mcp_django.transports.server.refusals import RETRY_LATER, Refused
from mcp_django.worker.acknowledgement import ACCEPTED
from mcp_django.worker.rates import exceeded_by
from mcp_django.worker.worker import Worker

logger = FaultLog("mcp_django.exchanges")

_NO_ROOM: Final = ErrorAnswer(
    INTERNAL_ERROR,
    "the request was not carried out: there is no room for its answer beside those "
    "that wait to be read; send it again, in a smaller batch or alone",
)


async def answer_batch(
    post: Post, worker: Worker, events: Sequence[Event], session: HTTPSession
) -> None:
    """Answer each request of a batch, and take what needs no answer.

    Args:
        post: What brings it.
        worker: Where it is answered.
        events: What its messages mean.
        session: To which they belong.

    Raises:
        Refused: There is no room for its requests.
    """
    requests: list[RequestReceived] = []
    at_once: list[bytes] = []
    taken = ACCEPTED
    for event in events:
        match event:
            case RequestReceived() if exceeded := exceeded_by(post.identity):
                tallies.refuse(exceeded.status, exceeded.message)
                error = jsonrpc.error(
                    event.id, exceeded.code, exceeded.message, exceeded.data
                )
                at_once.append(jsonrpc.serialize(error))
            case RequestReceived():
                requests.append(event)
            case Answered(answer=answer, status=200):
                at_once.append(jsonrpc.serialize(answer))
            case _:
                taken = await take(event, worker, session)
    if not requests and not at_once:
        await post.tell(taken)
        return
    places = None
    if requests:
        places = await _reserve(worker, session, post.identity.owner, len(requests))
    reply = reply_to(
        post,
        worker,
        session,
        expected=[event.id for event in requests],
        batch_size=len(requests) + len(at_once),
    )
    calls = [BatchedCall(post, worker, reply, event, session) for event in requests]
    if places is not None:
        for call in calls:
            worker.start(_run_alone(call, places))
    for data in at_once:
        await reply.answer(data)
    await post.exchange.wait_for_disconnect()
    reply.detach()


async def _reserve(
    worker: Worker, session: HTTPSession, owner: str, count: int
) -> AbstractContextManager[None]:
    """Count the requests of a batch, in their session and among those of their user.

    Raises:
        Refused: 400 if it never has room for so many; 503 if that takes too long.
    """
    turns = worker.part(Turns)
    most = turns.most
    if owner:
        most = min(most, mcp_settings.MAX_CALLS_PER_USER)
    if count > most:
        raise Refused(
            400,
            f"a batch of {count} requests; at most {most} may run and wait in a "
            "session",
        )
    timeout = mcp_settings.ROOM_TIMEOUT
    if not await turns.enter(session.key, count, timeout):
        raise Refused(
            503,
            "the session has no room for more requests; try again later",
            headers=RETRY_LATER,
        )
    try:
        return await worker.connections.reserve(owner, "call", count)
    except BaseException:
        turns.leave(session.key, count)
        raise


class BatchedCall(LegacyCall):
    """A request of a batch, which waits for its turn in its session.

    Its session counts it before it is made, so that it has to be run. The worker holds
    its task, which goes on when the client is gone.
    """

    __slots__ = ("_has_turn",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._has_turn = False

    async def run(self, wait_for_disconnect: WaitForDisconnect) -> None:
        """Answer the request in its turn, unless it is cancelled."""
        turns, key = self.worker.part(Turns), self.session.key
        try:
            await super().run(wait_for_disconnect)
        finally:
            if self._has_turn:
                turns.end(key)
            turns.leave(key)

    async def _answer_of(self) -> ResultOrError:
        """Run the handler when it is its turn, if there is room for what it gives."""
        await self.worker.part(Turns).begin(self.session.key)
        self._has_turn = True
        if not await self._has_room():
            return _NO_ROOM
        return await super()._answer_of()

    async def _has_room(self) -> bool:
        # What is collected for one body is not read before all of it is there.
        return not self.reply.is_full and await self.worker.unread.wait_for_room(
            self.identity.owner, mcp_settings.ROOM_TIMEOUT
        )


async def _run_alone(call: BatchedCall, places: AbstractContextManager[None]) -> None:
    try:
        with places:
            # The task of the batch itself watches its client.
            await call.run(asyncio.Event().wait)
    except Exception:
        # Such as a cache that is away; the connection ends without this answer.
        logger.exception("a request of a batch failed; see the error")
        with contextlib.suppress(Exception):  # For the same reason.
            await call.reply.skip()
