"""One request that was posted, from its handler to its answer: what both eras share."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.steps import rest_of
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import AuthenticationFailed, ErrorAnswer, TransportClosed
from mcp_django.exchanges.post import Post
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.server.answering import ResultOrError, answer_of, deliver
from mcp_django.server.asking import Question
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.transports.server.refusals import RETRY_LATER, Refused
from mcp_django.transports.server.reply_events import ReplyLimits
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.worker import Worker

logger = FaultLog("mcp_django.exchanges")

WaitForDisconnect: TypeAlias = Callable[[], Awaitable[object]]

_AskMethod: TypeAlias = Callable[
    [Any, Request, Sequence[Question[Any]]], Awaitable[None]
]
"""An `answering.Ask` that is a method."""


class Call(OpenConnection, ABC):
    """One request of one post.

    The handler runs in the task of the connection. It often ends without waiting for
    anything. So the client is watched, and the worker looks after the call, only from
    when the handler has begun to wait::

        NEW --run()--> RUNNING --the handler waits--> HELD
        RUNNING, HELD --answered, cancelled, or given up--> ENDED

    Cancelled, it is answered no more; what that means to the client is up to the era.

    Args:
        post: What brought the request.
        worker: Looks after the call.
        reply: Takes the answer, and what the handler sends before it.
        request: What is asked.

    Attributes:
        statuses: Code of an error -> HTTP status; 200 for all others.
    """

    __slots__ = (
        "_ended_by",
        "_is_answered",
        "_is_closing",
        "_is_held",
        "_task",
        "_watching",
        "post",
        "reply",
        "request",
        "worker",
    )

    statuses: ClassVar[Mapping[int, int]] = {}

    def __init__(
        self, post: Post, worker: Worker, reply: Reply, request: Request
    ) -> None:
        self.post = post
        self.worker = worker
        self.reply = reply
        self.request = request
        self._watching: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_held = False
        self._is_closing = False
        self._is_answered = False
        self._ended_by: ErrorAnswer | None = None

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        return self.post.identity

    async def run(self, wait_for_disconnect: WaitForDisconnect) -> None:
        """Answer the request, unless it is cancelled.

        Args:
            wait_for_disconnect: Returns when the client is gone.
        """
        request = self.request
        task = self._task = asyncio.current_task()
        try:
            try:
                rest = self._begin()
                if rest is not None:  # on the hot path: most have been answered
                    self._watch(wait_for_disconnect)
                    await rest
            except asyncio.CancelledError:
                if not request.is_cancelled:
                    request.is_cancelled = True
                    if not self.worker.is_ending:
                        # By the task's own runner, as Django when a client goes.
                        raise
                    # By Daphne, before we are closed: the client is still there.
                    self._is_closing = True
            finally:
                if self._watching is not None:
                    self._watching.cancel()
                self._task = None  # which has a way back here: no cycle to be collected
            if request.is_cancelled and task is not None:
                # The cancellation was ours, whether or not the handler noticed.
                task.uncancel()
                if self._ended_by is None:
                    await self._end_without_answer()
                else:
                    await self._answer_by(self._ended_by)
        finally:
            if self._is_held:
                self._let_go()  # last, because the end of the process waits for it

    def _begin(self) -> Awaitable[None] | None:
        """Answer until that waits; give the rest, None if all is done."""
        answering = self._answer()
        try:
            waits_for = answering.send(None)
        except StopIteration:
            return None
        return rest_of(answering, waits_for)

    async def _answer(self) -> None:
        """Send the answer, or another one if it cannot be sent; none if cancelled."""
        answer = await self._answer_of()
        # On the hot path: for all other answers the eras have nothing to do.
        if self._is_held or isinstance(answer, ErrorAnswer):
            answer = await self._note_answer(answer)
        if self.request.is_cancelled:
            return
        self._is_answered = True
        if isinstance(answer, AuthenticationFailed) and self.reply.decides_status:
            answer = await self.post.challenged(answer)
        delivering = deliver(
            self.post.server,
            self.request,
            answer,
            send=self.reply.answer,
            send_error=self._send_error,
        )
        del answer  # what is written is all that lies here until the client reads
        await delivering

    async def _answer_by(self, error: ErrorAnswer) -> None:
        """Answer with an error in place of what the handler would have said."""
        answer = jsonrpc.error(self.request.id, error.code, error.message, error.data)
        await self._send_error(jsonrpc.serialize(answer), error)

    def _answer_of(self) -> Awaitable[ResultOrError]:
        """Run the handler until there is an answer."""
        return answer_of(
            self.post.server, self.request, ask=self._ask, is_ending=self._has_to_end
        )

    def _send_error(self, data: bytes, error: ErrorAnswer) -> Coroutine[Any, Any, None]:
        status = error.status or self.statuses.get(error.code, 200)
        return self.reply.answer(data, status, error.headers)

    @property
    def running(self) -> Sequence[Request]:
        """The request."""
        return (self.request,)

    @property
    def served_by(self) -> Server:
        """The server whose endpoint it came to."""
        return self.post.server

    async def end_running(
        self, is_meant: Callable[[Request], bool], error: ErrorAnswer
    ) -> None:
        """Stop the handler, and answer with an error; what is answered stays so."""
        request = self.request
        if not request.is_cancelled and not self._is_answered and is_meant(request):
            self._ended_by = error
            self.cancel()

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
        self.cancel()

    def cancel(self) -> None:
        """Stop working on the request, which is answered no more."""
        if not self.request.is_cancelled and self._task is not None:
            self.request.is_cancelled = True
            self._task.cancel()

    def _has_to_end(self) -> bool:
        return self._task is not None and self._task.cancelling() > 0

    # Watching -------------------------------------------------------------------

    def _watch(self, wait_for_disconnect: WaitForDisconnect) -> None:
        watching = self._wait_until_gone(wait_for_disconnect)
        self._watching = asyncio.get_running_loop().create_task(watching)
        self._hold()

    async def _wait_until_gone(self, wait_for_disconnect: WaitForDisconnect) -> None:
        await wait_for_disconnect()
        self._lose_client()

    def _hold(self) -> None:
        self._is_held = True
        self.worker.hold(self, "call")

    def _let_go(self) -> None:
        self._is_held = False
        self.worker.let_go(self)

    # What the eras differ in ----------------------------------------------------

    _ask: ClassVar[_AskMethod | None] = None
    """Asks the client of a session; None where the answer itself asks."""

    async def _note_answer(self, answer: ResultOrError) -> ResultOrError:
        """Do what is due once there is an answer that came late, or is an error.

        Returns:
            The answer, or another one in its place.
        """
        return answer

    @abstractmethod
    def _lose_client(self) -> None:
        """End, or go on, now that the client is gone."""

    @abstractmethod
    async def _end_without_answer(self) -> None:
        """End the reply of a request that was cancelled."""


async def wait_for_reader(worker: Worker, owner: str) -> None:
    """Wait until a user has read enough of what was answered before.

    Raises:
        Refused: 503: that takes too long.
    """
    timeout = mcp_settings.ROOM_TIMEOUT
    if not await worker.unread.wait_for_room(owner, timeout):
        unread = worker.unread.bytes_of(owner)
        raise Refused(
            503,
            f"{unread} bytes that this user was answered wait to be read; read them "
            "and try again",
            headers=RETRY_LATER,
        )


def limits_of_replies() -> ReplyLimits:
    """Give what the settings say of replies."""
    return ReplyLimits(
        max_event_bytes=mcp_settings.MAX_EVENT_BYTES,
        stream_after_seconds=mcp_settings.STREAM_AFTER_SECONDS,
        keep_alive_seconds=mcp_settings.KEEP_ALIVE_SECONDS,
        max_result_bytes=mcp_settings.MAX_RESULT_BYTES,
        max_held_seconds=mcp_settings.MAX_HELD_SECONDS,
    )


async def notify_by(reply: Reply, method: str, params: JSONObject) -> None:
    """Send a notification that belongs to a request.

    Handlers know the reply and not its call, which would be a cycle to be collected.
    """
    await send_or_lose(reply, jsonrpc.notification(method, params))


async def notify_nothing(method: str, params: JSONObject) -> None:
    """Send no notification: no handler runs that could have some."""


async def send_or_lose(reply: Reply, message: Message) -> None:
    """Send a message that is no answer; it is lost if the reply is complete."""
    try:
        await reply.send(message)
    except TransportClosed as error:
        logger.debug("message lost: %s", error)
