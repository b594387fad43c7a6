"""Requests that came by POST over Streamable HTTP, from the first byte to the answer.

A modern request lives as long as its connection, and runs in the connection's task. A
legacy request goes on when its connection is gone, and has a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from mcp_types import (
    HEADER_MISMATCH,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    JSONRPCRequest,
    RequestId,
)

from mcp_django.auth.interface import Identity
from mcp_django.exceptions import (
    ErrorAnswer,
    TransportClosed,
    UrlElicitationRequired,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.legacy import answer_at_once
from mcp_django.server.asking import Question
from mcp_django.server.requests import Notify, Request
from mcp_django.server.server import Server
from mcp_django.sessions.answering import Answer, answer_of, deliver, serialize
from mcp_django.sessions.asking import Pending, ask_round
from mcp_django.sessions.http_sessions import CachedState, HTTPSession
from mcp_django.sessions.worker import Worker
from mcp_django.transports.base import Sender
from mcp_django.transports.streamable_http import Reply

logger = logging.getLogger("mcp_django.sessions")

WaitForDisconnect: TypeAlias = Callable[[], Awaitable[None]]

_STATUSES: Final = {
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_REQUIRED_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_PROTOCOL_VERSION: 400,
}
"""HTTP statuses of JSON-RPC errors, in the modern era; 200 for others.

Spec: 2026-07-28 basic/transports/streamable-http; basic, "`_meta`".
"""


def _status_of(answer: Answer) -> int:
    if isinstance(answer, ErrorAnswer):
        return _STATUSES.get(answer.code, 200)
    return 200


class _Exchange(ABC):
    """What both eras have in common: one POST that is being answered.

    Handlers often end without waiting for anything. So the client is watched, and the
    worker looks after the exchange, only from when a handler has begun to wait.
    """

    __slots__ = ("_beginning", "_identity", "_is_held", "_watching", "reply", "worker")

    def __init__(self, worker: Worker, identity: Identity, reply: Reply) -> None:
        self.worker = worker
        self.reply = reply
        self._identity = identity
        self._beginning: asyncio.Handle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_held = False

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        return self._identity

    async def tick(self) -> None:
        """Keep the connection alive while the handler is silent."""
        await self.reply.tick()

    def _watch_soon(self, wait_for_disconnect: WaitForDisconnect) -> None:
        loop = asyncio.get_running_loop()
        self._beginning = loop.call_soon(self._watch, wait_for_disconnect)

    def _watch(self, wait_for_disconnect: WaitForDisconnect) -> None:
        loop = asyncio.get_running_loop()
        self._watching = loop.create_task(self._wait_until_gone(wait_for_disconnect))
        self._hold()

    def _hold(self) -> None:
        self._is_held = True
        self.worker.hold(self)

    def _stop_watching(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _let_go(self) -> None:
        if self._is_held:
            self._is_held = False
            self.worker.let_go(self)

    async def _wait_until_gone(self, wait_for_disconnect: WaitForDisconnect) -> None:
        await wait_for_disconnect()
        self._end_early()

    @abstractmethod
    async def close(self) -> None:
        """End it, for the end of the process or of the credentials."""

    @abstractmethod
    def _end_early(self) -> None:
        """Take note that the client is gone."""


class ModernExchange(_Exchange):
    """One request of the modern era; its handler ends with its connection.

    Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation".
    """

    __slots__ = ("_closing", "_request", "_server", "_task")

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        reply: Reply,
        *,
        message: JSONRPCRequest,
        peer: Peer,
        sender: Sender,
    ) -> None:
        super().__init__(worker, identity, reply)
        self._server = server
        # Without a way back to the exchange, which would be a cycle to be collected.
        notify = partial(_notify, reply)
        self._request = make_request(
            message, peer, sender, notify, mirrors_headers=True
        )
        self._task: asyncio.Task[Any] | None = None
        self._closing = False

    async def run(self, wait_for_disconnect: WaitForDisconnect) -> None:
        """Answer the request, or stop when the client is gone."""
        request = self._request
        self._task = asyncio.current_task()
        self._watch_soon(wait_for_disconnect)
        try:
            answer = await answer_of(
                self._server, request, ask=_ask_nobody, is_ending=self._has_to_end
            )
            if not request.is_cancelled:
                await deliver(request, answer, self._send_answer)
        except asyncio.CancelledError:
            if not request.is_cancelled:
                # By whoever runs the exchange, as Django does when a client goes.
                request.is_cancelled = True
                raise
        finally:
            self._stop_watching()
            self._let_go()
            task, self._task = self._task, None
        if request.is_cancelled and task is not None:
            # The cancellation was ours, whether or not the handler noticed.
            task.uncancel()
            if self._closing:
                await self.reply.break_off()

    async def close(self) -> None:
        """Stop the handler, for the end of the process or of the credentials."""
        self._closing = True
        self._end_early()

    def _end_early(self) -> None:
        if not self._request.is_cancelled and self._task is not None:
            self._request.is_cancelled = True
            self._task.cancel()

    async def _send_answer(self, answer: Answer) -> None:
        data = serialize(self._server, self._request, answer)
        await self.reply.answer(data, _status_of(answer))

    def _has_to_end(self) -> bool:
        return self._task is not None and self._task.cancelling() > 0


class LegacyExchange(_Exchange):
    """The requests of one POST of a legacy session.

    They go on when the client loses its connection: it may come back for the answers,
    where there is an event store. Only a cancellation stops them.

    Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
    """

    __slots__ = ("_is_over", "_running", "_server", "_session", "_unfinished")

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        reply: Reply,
        *,
        session: HTTPSession,
    ) -> None:
        super().__init__(worker, identity, reply)
        self._server = server
        self._session = session
        # Id -> request, and the task of its handler, of those without an answer yet.
        self._running: dict[RequestId, tuple[Request, asyncio.Task[None]]] = {}
        # With those whose answer is on its way.
        self._unfinished = 0
        self._is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(
        self,
        messages: Sequence[JSONRPCRequest],
        sender: Sender,
        wait_for_disconnect: WaitForDisconnect,
    ) -> None:
        """Begin with the requests; returns when the connection is of no more use."""
        notify = partial(_notify, self.reply)
        loop = asyncio.get_running_loop()
        for message in messages:
            answer = answer_at_once(message)
            if answer is not None:
                await self.reply.answer(jsonrpc.serialize(answer))
                continue
            request = make_request(message, self._session.peer, sender, notify)
            request.session = CachedState(self._session)
            request.close_stream = self._release
            task = loop.create_task(self._answer(request))
            task.add_done_callback(partial(self._end, request))
            self._running[message.id] = (request, task)
            self._unfinished += 1
        if not self._running:
            return
        self._watch_soon(wait_for_disconnect)
        try:
            await self._is_over
        finally:
            self._stop_watching()
            if self._unfinished:
                self.reply.detach()

    async def close(self) -> None:
        """Stop the handlers, for the end of the process or of the credentials."""
        for id in list(self._running):
            self.cancel(id)
        await self.reply.break_off()
        self._end_early()

    def cancel(self, id: RequestId) -> None:
        """Stop working on a request; its client wants no answer."""
        if id in self._running:
            request, task = self._running[id]
            request.is_cancelled = True
            task.cancel()

    def _watch(self, wait_for_disconnect: WaitForDisconnect) -> None:
        if self._running:
            super()._watch(wait_for_disconnect)

    def _hold(self) -> None:
        super()._hold()
        for id in self._running:
            self.worker.http.add_call(self._session, id, self)

    async def _answer(self, request: Request) -> None:
        answer = await answer_of(
            self._server, request, ask=self._ask, is_ending=self._has_to_end
        )
        if request.is_cancelled:
            return
        self._running.pop(request.id, None)
        try:
            if isinstance(answer, UrlElicitationRequired):
                for elicitation_id in answer.elicitation_ids:
                    state = CachedState(self._session)
                    await state.remember_elicitation(elicitation_id)
            await deliver(request, answer, partial(self._send_answer, request))
        except Exception:
            # Such as a cache that is away; the connection ends without an answer.
            logger.exception("the answer to %s cannot be sent", request.method)

    async def _send_answer(self, request: Request, answer: Answer) -> None:
        await self.reply.answer(serialize(self._server, request, answer))
        if self.reply.is_ended:
            self._end_early()

    def _end(self, request: Request, task: asyncio.Task[None]) -> None:
        """Let a request go that is answered or cancelled."""
        self.worker.http.remove_call(self._session, request.id, self)
        if self._running.pop(request.id, None) is None:
            self._finish()
        else:
            self.worker.start(self._skip())

    async def _skip(self) -> None:
        try:
            await self.reply.skip()
        except Exception:
            logger.exception("the end of a request cannot be kept")
        self._finish()

    def _finish(self) -> None:
        self._unfinished -= 1
        if not self._unfinished:
            self._let_go()
            self._end_early()

    def _has_to_end(self) -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def _end_early(self) -> None:
        if not self._is_over.done():
            self._is_over.set_result(None)

    async def _release(self, retry_ms: int | None) -> None:
        if await self.reply.release(retry_ms):
            self._end_early()

    # Sending --------------------------------------------------------------------

    async def _ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        if not self.reply.can_ask:
            error = jsonrpc.error(None, INTERNAL_ERROR, "it reads no event stream")
            for question in questions:
                request.answers.learn(question, error)
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
    ) -> tuple[JSONRPCRequest, Pending]:
        if "elicitationId" in question.params:
            state = CachedState(self._session)
            await state.remember_elicitation(question.params["elicitationId"])
        return await self.worker.http.begin_asking(self._session, question)

    def _end_asking(self, id: RequestId) -> Message:
        self.worker.http.end_asking(id)
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
    notify: Notify = _notify_nobody,
    *,
    mirrors_headers: bool = False,
) -> Request:
    """Make what handlers see of a message."""
    return Request(
        id=message.id,
        method=message.method,
        params=message.params or {},
        version=peer.version,
        client_info=peer.client_info,
        client_capabilities=peer.client_capabilities,
        sender=sender,
        notify=notify,
        log_level=peer.log_level,
        mirrors_headers=mirrors_headers,
    )


async def _notify(reply: Reply, method: str, params: JSONObject) -> None:
    await _send(reply, jsonrpc.notification(method, params))


async def _send(reply: Reply, message: Message) -> None:
    try:
        await reply.send(message)
    except TransportClosed as error:
        logger.debug("message lost: %s", error)


async def _ask_nobody(request: Request, questions: Sequence[Question[Any]]) -> None:
    raise NotImplementedError  # In the modern era the answer itself asks.
