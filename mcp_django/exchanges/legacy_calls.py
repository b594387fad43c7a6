"""Requests that were posted in a legacy session, which outlive their connection.

Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mcp_types.jsonrpc import JSONRPCRequest, RequestId

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway, UrlElicitationRequired
from mcp_django.exchanges.calls import (
    Call,
    limits_of_replies,
    notify_by,
    send_or_lose,
    wait_for_reader,
)
from mcp_django.exchanges.event_store import abandonment
from mcp_django.exchanges.legacy_sessions import new_log
from mcp_django.exchanges.post import Post
from mcp_django.exchanges.questions import Questions
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_lives import end_by_operator
from mcp_django.exchanges.session_state import CachedState
from mcp_django.protocol.events import RequestReceived
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.pending_requests import cancellation
from mcp_django.server.answering import ResultOrError
from mcp_django.server.asking import Question
from mcp_django.server.question_rounds import OpenQuestion, ask_round, refuse_round
from mcp_django.server.requests import Request, make_request
from mcp_django.transports.server.http_response import Headers
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.worker.worker import Worker


class LegacyCall(Call):
    """A request of a legacy session.

    It goes on when the client loses its connection: it may come back for the answer,
    where there is an event store. Only a cancellation stops it.

    Args:
        post: What brought the request.
        worker: Looks after the call.
        reply: Takes the answer, and what the handler sends before it.
        received: The request.
        session: Whose request it is.
    """

    __slots__ = ("session",)

    def __init__(
        self,
        post: Post,
        worker: Worker,
        reply: Reply,
        received: RequestReceived,
        session: HTTPSession,
    ) -> None:
        request = make_request(
            received,
            post.sender,
            partial(notify_by, reply),
            find_session=partial(CachedState, session, post.server),
        )
        request.close_stream = reply.release
        super().__init__(post, worker, reply, request)
        self.session = session

    async def end_session(self) -> None:
        """End the session whose request it is."""
        post = self.post
        await end_by_operator(
            self.worker, post.server, self.session, post.identity.user
        )

    async def _note_answer(self, answer: ResultOrError) -> ResultOrError:
        if self._is_held:
            # What is answered is not cancelled any more.
            self.worker.part(RunningCalls).remove(self.session, self.request.id, self)
        if isinstance(answer, UrlElicitationRequired):
            try:
                await self._remember(*answer.elicitation_ids)
            except ServiceAway as away:
                return away
        return answer

    def _hold(self) -> None:
        super()._hold()
        self.worker.part(RunningCalls).add(self.session, self.request.id, self)

    def _let_go(self) -> None:
        super()._let_go()
        self.worker.part(RunningCalls).remove(self.session, self.request.id, self)

    def _lose_client(self) -> None:
        self.reply.detach()
        self.post.exchange.leave()

    async def _end_without_answer(self) -> None:
        # A client that comes back for it shall not find that it ended without a word.
        is_broken_off = self._is_closing and self.worker.is_ending
        await self.reply.skip(abandonment(self.request.id) if is_broken_off else b"")

    # Asking ---------------------------------------------------------------------

    async def _ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        if not self.reply.can_ask:
            refuse_round(request, questions, "it reads no event stream")
            return
        await ask_round(
            request,
            questions,
            begin=self._begin_asking,
            end=self._end_asking,
            send=partial(send_or_lose, self.reply),
        )

    async def _begin_asking(
        self, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        if "elicitationId" in question.params:
            await self._remember(question.params["elicitationId"])
        return await self.worker.part(Questions).begin(self.session, question)

    def _end_asking(self, id: RequestId) -> Message:
        self.worker.part(Questions).end(id)
        return cancellation(id, "no longer needed")

    async def _remember(self, *elicitation_ids: str) -> None:
        """Remember visits that the client waits for.

        Raises:
            ServiceAway: The cache.
        """
        state = CachedState(self.session, self.post.server)
        for elicitation_id in elicitation_ids:
            await state.remember_elicitation(elicitation_id)


async def answer_call(
    post: Post, worker: Worker, received: RequestReceived, session: HTTPSession
) -> None:
    """Answer the one request of a post.

    Raises:
        Refused: 503: the user has too much running, or unread.
    """
    owner = post.identity.owner
    if worker.unread.total:
        await wait_for_reader(worker, owner)
    reply = reply_to(post, worker, session, expected=[received.id])
    with await worker.connections.reserve(owner, "call"):
        call = LegacyCall(post, worker, reply, received, session)
        await call.run(post.exchange.wait_for_disconnect)


def reply_to(
    post: Post,
    worker: Worker,
    session: HTTPSession | None,
    *,
    expected: Sequence[RequestId] = (),
    batch_size: int | None = None,
    headers: Headers = (),
) -> Reply:
    """Make the reply to a post.

    Args:
        post: The post.
        worker: Where it is answered.
        session: To which it belongs; None outside of one.
        expected: Requests that handlers will answer.
        batch_size: Answers to a batch; None for a single one.
        headers: HTTP headers beside the usual ones.
    """
    make_log, primes = None, False
    if session is not None and mcp_settings.EVENT_STORE_CACHE is not None:
        make_log = partial(new_log, worker, session, "call", expected=expected)
        primes = session.primes_streams
    return Reply(  # on the hot path: by position
        post.exchange,
        post.accepts,
        limits_of_replies,
        worker.unread,
        post.identity.owner,
        batch_size,
        make_log,
        primes,
        headers,
    )
