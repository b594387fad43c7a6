"""Requests that came by POST over Streamable HTTP, from the first byte to the answer.

A modern request lives as long as its connection. A legacy request goes on when its
connection is gone.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from mcp_types import (
    HEADER_MISMATCH,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCRequest,
    RequestId,
)

from mcp_django.auth.interface import Identity
from mcp_django.exceptions import (
    ErrorAnswer,
    ServiceAway,
    TransportClosed,
    UrlElicitationRequired,
)
from mcp_django.exchanges.event_store import abandonment
from mcp_django.exchanges.questions import Questions
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import CachedState
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer, RequestReceived
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.server import requests
from mcp_django.server.answering import (
    ResultOrError,
    answer_of,
    deliver,
)
from mcp_django.server.asking import Question
from mcp_django.server.question_rounds import OpenQuestion, ask_round, refuse_round
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.worker import Worker

logger = logging.getLogger("mcp_django.exchanges")

WaitForDisconnect: TypeAlias = Callable[[], Awaitable[object]]

_STATUSES: Final = {
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_REQUIRED_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_PROTOCOL_VERSION: 400,
}
"""HTTP statuses of JSON-RPC errors, in the modern era; 200 for others.

Spec: 2026-07-28 basic/transports/streamable-http; basic, "`_meta`".
"""


class _Exchange(OpenConnection, ABC):
    """One request of one POST, from its handler to its answer.

    The handler runs in the task of the connection. It often ends without waiting for
    anything. So the client is watched, and the worker looks after the exchange, only
    from when the handler has begun to wait.
    """

    __slots__ = (
        "_beginning",
        "_identity",
        "_is_closing",
        "_is_held",
        "_task",
        "_watching",
        "reply",
        "request",
        "server",
        "worker",
    )

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        reply: Reply,
        request: Request,
    ) -> None:
        self.server = server
        self.worker = worker
        self.reply = reply
        self.request = request
        self._identity = identity
        self._beginning: asyncio.Handle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_held = False
        self._is_closing = False

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        return self._identity

    async def run(self, wait_for_disconnect: WaitForDisconnect) -> None:
        """Answer the request, unless it is cancelled.

        Args:
            wait_for_disconnect: Returns when the client is gone.
        """
        request = self.request
        task = self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        self._beginning = loop.call_soon(self._watch, wait_for_disconnect)
        try:
            try:
                await self._deliver(await self._answer())
            except asyncio.CancelledError:
                if not request.is_cancelled:
                    request.is_cancelled = True
                    if not self.worker.is_ending:
                        # By whoever runs the exchange, as Django when a client goes.
                        raise
                    # By Daphne, before we are closed: the client is still there.
                    self._is_closing = True
            finally:
                self._beginning.cancel()
                if self._watching is not None:
                    self._watching.cancel()
                self._task = None  # which has a way back here: no cycle to be collected
            if request.is_cancelled and task is not None:
                # The cancellation was ours, whether or not the handler noticed.
                task.uncancel()
                await self._end_without_answer()
        finally:
            self._let_go()  # last, because the end of the process waits for it

    def _answer(self) -> Awaitable[ResultOrError]:
        """Run the handler until there is an answer."""
        return answer_of(
            self.server, self.request, ask=self._ask, is_ending=self._has_to_end
        )

    async def _deliver(self, answer: ResultOrError) -> None:
        """Send the answer, or another one if it cannot be sent; none if cancelled."""
        request = self.request
        if request.is_cancelled:
            return
        if self._is_held or isinstance(answer, ErrorAnswer):
            try:
                await self._prepare(answer)
            except ServiceAway as away:
                answer = away
        delivering = deliver(self.server, request, answer, send=self._send)
        del answer  # what is written is all that lies here until the client reads
        await delivering

    def _send(self, data: bytes, answer: ResultOrError) -> Coroutine[Any, Any, None]:
        """Send an answer that is written already."""
        if isinstance(answer, ErrorAnswer) and answer.status is not None:
            return self.reply.answer(data, answer.status, answer.headers)
        return self.reply.answer(data, self._status_of(answer))

    @property
    def running(self) -> Sequence[Request]:
        """The request."""
        return (self.request,)

    async def finish(self) -> None:
        """Leave it alone: it ends with its answer."""

    async def tick(self) -> None:
        """Keep the connection alive while the handler is silent."""
        await self.reply.tick()

    @property
    def unread_seconds(self) -> float:
        """For how long the client has taken nothing of what it was sent."""
        return self.reply.unread_seconds

    async def abort(self) -> None:
        """End the connection of a client that is gone."""
        self.reply.give_up()

    async def close(self) -> None:
        """Stop the handler, for the end of the process or of the credentials."""
        self._is_closing = True
        self._cancel()

    def _cancel(self) -> None:
        if not self.request.is_cancelled and self._task is not None:
            self.request.is_cancelled = True
            self._task.cancel()

    def _has_to_end(self) -> bool:
        return self._task is not None and self._task.cancelling() > 0

    # Watching -------------------------------------------------------------------

    def _watch(self, wait_for_disconnect: WaitForDisconnect) -> None:
        loop = asyncio.get_running_loop()
        self._watching = loop.create_task(self._wait_until_gone(wait_for_disconnect))
        self._hold()

    async def _wait_until_gone(self, wait_for_disconnect: WaitForDisconnect) -> None:
        await wait_for_disconnect()
        self._go_on_without_client()

    def _hold(self) -> None:
        self._is_held = True
        self.worker.hold(self, "call")

    def _let_go(self) -> None:
        if self._is_held:
            self._is_held = False
            self.worker.let_go(self)

    # What the eras differ in ----------------------------------------------------

    @abstractmethod
    async def _ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        """Ask the client a round of questions."""

    @abstractmethod
    def _status_of(self, answer: ResultOrError) -> int:
        """Give the HTTP status of an answer that is no part of a stream."""

    @abstractmethod
    async def _prepare(self, answer: ResultOrError) -> None:
        """Do what comes before an error, or the answer of a handler that waited."""

    @abstractmethod
    def _go_on_without_client(self) -> None:
        """Do what is to be done when the client is gone."""

    @abstractmethod
    async def _end_without_answer(self) -> None:
        """End the reply of a request that was cancelled."""


class ModernExchange(_Exchange):
    """A request of the modern era; its handler ends with its connection.

    Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation".
    """

    __slots__ = ()

    async def _ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        raise NotImplementedError  # The answer itself asks.

    def _status_of(self, answer: ResultOrError) -> int:
        if isinstance(answer, ErrorAnswer):
            return _STATUSES.get(answer.code, 200)
        return 200

    async def _prepare(self, answer: ResultOrError) -> None:
        pass

    def _go_on_without_client(self) -> None:
        self._cancel()

    async def _end_without_answer(self) -> None:
        if self._is_closing:
            await self.reply.break_off()


class LegacyExchange(_Exchange):
    """A request of a legacy session.

    It goes on when the client loses its connection: it may come back for the answer,
    where there is an event store. Only a cancellation stops it.

    Args:
        session: Whose request it is.
        leave: Called when the client is gone, so that the connection's task may go on.

    Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
    """

    __slots__ = ("_leave", "session")

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        reply: Reply,
        request: Request,
        session: HTTPSession,
        leave: Callable[[], None],
    ) -> None:
        super().__init__(server, worker, identity, reply, request)
        self.session = session
        self._leave = leave
        request.session = CachedState(session, server)
        request.close_stream = reply.release
        reply.expect(request.id)

    def cancel(self, id: RequestId) -> None:
        """Stop working on the request; its client wants no answer."""
        self._cancel()

    def _hold(self) -> None:
        super()._hold()
        self.worker.part(RunningCalls).add(self.session, self.request.id, self)

    def _let_go(self) -> None:
        if self._is_held:
            self.worker.part(RunningCalls).remove(self.session, self.request.id, self)
        super()._let_go()

    def _status_of(self, answer: ResultOrError) -> int:
        return 200

    async def _prepare(self, answer: ResultOrError) -> None:
        # What is answered is not cancelled any more.
        self.worker.part(RunningCalls).remove(self.session, self.request.id, self)
        if isinstance(answer, UrlElicitationRequired):
            state = CachedState(self.session, self.server)
            for elicitation_id in answer.elicitation_ids:
                await state.remember_elicitation(elicitation_id)

    def _go_on_without_client(self) -> None:
        self.reply.detach()
        self._leave()

    async def _end_without_answer(self) -> None:
        # Whoever comes back for it shall not find that it ended without a word.
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
            send=partial(_send, self.reply),
        )

    async def _begin_asking(
        self, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        if "elicitationId" in question.params:
            state = CachedState(self.session, self.server)
            await state.remember_elicitation(question.params["elicitationId"])
        return await self.worker.part(Questions).begin(self.session, question)

    def _end_asking(self, id: RequestId) -> Message:
        self.worker.part(Questions).end(id)
        return jsonrpc.notification(
            "notifications/cancelled",
            {"requestId": id, "reason": "no longer needed"},
        )


async def _notify_nobody(method: str, params: JSONObject) -> None:
    pass


def make_request(
    message: JSONRPCRequest,
    peer: Peer,
    sender: Sender,
    reply: Reply | None = None,
    *,
    mirrors_headers: bool = False,
) -> Request:
    """Make what handlers see of a message.

    Args:
        message: What was posted.
        peer: Who posted it, as it says itself.
        sender: Who posted it, as we know.
        reply: Where notifications go; None for nowhere.
        mirrors_headers: Whether the HTTP headers have to say what the arguments say.
    """
    return requests.make_request(
        RequestReceived(message.id, message.method, message.params or {}, peer),
        sender,
        # Without a way back to the exchange, which would be a cycle to be collected.
        _notify_nobody if reply is None else partial(_notify, reply),
        mirrors_headers=mirrors_headers,
    )


async def _notify(reply: Reply, method: str, params: JSONObject) -> None:
    await _send(reply, jsonrpc.notification(method, params))


async def _send(reply: Reply, message: Message) -> None:
    try:
        await reply.send(message)
    except TransportClosed as error:
        logger.debug("message lost: %s", error)
