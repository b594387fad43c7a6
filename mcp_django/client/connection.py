"""Drives the client's half of the protocol over one transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task, error_of
from mcp_django.client.answers import Answers
from mcp_django.client.clock import Clock, Clocks
from mcp_django.client.observers import (
    EndSession,
    FarEnd,
    begin_sessions,
    end_sessions,
    observed,
    observers,
)
from mcp_django.client.questions import Questions
from mcp_django.exceptions import (
    MessageLost,
    OAuthError,
    RemoteProtocolError,
    RequestFailed,
    RequestTimeout,
    SessionLost,
    TransportClosed,
)
from mcp_django.protocol.client import ClientProtocol, offered_by
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    AskReceived,
    Ignored,
    Notified,
    Progressed,
    RequestCancelled,
)
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.transports.base import Sender, Transport

logger = FaultLog("mcp_django.client")

OnProgress: TypeAlias = Callable[[float, float | None, str | None], object]
OnNotified: TypeAlias = Callable[[str, JSONObject], None]

_MAX_PROGRESS = 1000
"""Reports of one request that wait to be looked at; the oldest goes first."""

_CANCEL_SECONDS = 1.0
"""To tell the server that an answer is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an answer.

    Attributes:
        seconds: From the last sign that the server works on it.
        total_seconds: From the beginning, whatever the server reports; not counted is
            the time in which it waits for an answer of ours.
    """

    seconds: float
    total_seconds: float


@dataclass(eq=False)
class _Pending:
    """A request that waits for its answer."""

    clock: Clock
    sending: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_begun: bool = False
    news: anyio.Event = field(default_factory=anyio.Event)
    progress: deque[Progressed] = field(
        default_factory=lambda: deque(maxlen=_MAX_PROGRESS)
    )
    outcome: JSONRPCResponse | JSONRPCError | Exception | None = None

    def settle(self, outcome: JSONRPCResponse | JSONRPCError | Exception) -> None:
        """Note what came of it; the first outcome counts."""
        if self.outcome is None:
            self.outcome = outcome
        self.news.set()


class Connection:
    """What a client does over one transport, from its start to its end.

    ::

        NEW --open()--> OPEN --close(), or the transport closes--> CLOSED

    Args:
        transport: Not started yet; its callbacks are set here.
        protocol: Decides what is sent, and what it means.
        answers: Answers what the server asks.
        tasks: Where what is asked is answered, and where the transport runs.
        on_notified: Called with method and params of each notification that concerns no
            request; must not block.
        clocks: Those of the client, which stand still while a user logs in.

    Attributes:
        is_closed: Whether nothing more can be sent.
        is_lost: Whether nothing but the handshake can be done: because there was none
            yet, or the server has forgotten the session; see `renew`.
    """

    def __init__(
        self,
        transport: Transport,
        protocol: ClientProtocol,
        answers: Answers,
        tasks: TaskGroup,
        *,
        on_notified: OnNotified,
        clocks: Clocks,
    ) -> None:
        self.protocol = protocol
        self.is_closed = False
        self.is_lost = True
        self._transport = transport
        self._answers = answers
        self._tasks = tasks
        self._on_notified = on_notified
        self._clocks = clocks
        self._pending: dict[RequestId, _Pending] = {}
        self._questions = Questions(
            protocol,
            answers,
            tasks,
            send=self._send_answer,
            pause=clocks.held,
        )
        self._is_closing = False
        self._session_ends: Sequence[EndSession] = ()
        self._why_lost: Exception | None = None
        self._has_lost = anyio.Event()
        self._last_error: Exception | None = None
        transport.answers_faults = False
        transport.on_message = self._receive
        transport.on_error = self._note_error
        transport.on_close = self._end
        transport.pause = clocks.held_for_login

    async def open(self) -> None:
        """Start the transport.

        Raises:
            ConnectFailed: There is no connection.
        """
        await self._transport.start(self._tasks)

    async def close(self) -> None:
        """Close the transport; what waits for an answer fails."""
        self._is_closing = True
        try:
            await self._transport.close()
        finally:
            # Also if the transport does not say so, such as one that never started.
            if not self.is_closed:
                self._end()

    def renew(self) -> None:
        """Note that the handshake is done, and there is a session if it has any."""
        self.is_lost = False
        self._has_lost = anyio.Event()
        if observers:
            far_end = self._far_end()
            if far_end.has_sessions:
                self._session_ends = begin_sessions(far_end)

    async def until_lost(self) -> Exception:
        """Wait until the session is lost or the transport closed, and say why."""
        await self._has_lost.wait()
        assert self._why_lost is not None
        return self._why_lost

    def takes_batches(self, takes_batches: bool) -> None:
        """Say whether the server may send batches from now on."""
        self._transport.takes_batches = takes_batches

    async def request(
        self,
        request: JSONRPCRequest,
        patience: Patience,
        *,
        on_progress: OnProgress | None = None,
    ) -> JSONRPCResponse | JSONRPCError:
        """Send a request and wait for its answer.

        Args:
            request: What the protocol object made.
            patience: How long to wait.
            on_progress: Called in the caller's task, in order, before the answer.

        Raises:
            RequestTimeout: No answer came in time; the server was told.
            TransportError: No answer can come.
            RemoteProtocolError: The server sent something else instead.
        """
        answering = self._request(request, patience, on_progress)
        if observers:
            answering = observed(request, self._far_end(request), answering)
        return await answering

    async def _request(
        self,
        request: JSONRPCRequest,
        patience: Patience,
        on_progress: OnProgress | None,
    ) -> JSONRPCResponse | JSONRPCError:
        pending = _Pending(Clock(patience.seconds, patience.total_seconds))
        self._pending[request.id] = pending
        try:
            with self._clocks.counted(pending.clock), pending.clock.scope as scope:
                pending.clock.start()
                # In a task, because a server that does not read must not hold up
                # a caller that gives up waiting for it.
                self._tasks.start_soon(self._send_request, request, pending)
                await self._wait(pending, on_progress)
        finally:
            del self._pending[request.id]
            if pending.outcome is None:
                pending.sending.cancel()
                if pending.is_begun:
                    await self._cancel(request, timed_out=scope.cancelled_caught)
            self.protocol.drop(request.id)
        match pending.outcome:
            case None:
                raise self._timeout(request, pending)
            case Exception() as error:
                raise error
            case answer:
                return answer

    def _far_end(self, request: JSONRPCRequest | None = None) -> FarEnd:
        """Say where requests go; one of the handshake says in which version."""
        version = self.protocol.version
        if not version and request is not None:
            version = offered_by(request)
        return FarEnd(version, self._transport.binding, self._transport.url)

    async def send(self, message: Message) -> None:
        """Send a message that wants no answer.

        Raises:
            TransportClosed: The transport is closed.
        """
        await self._transport.send(message)

    async def _send_request(self, request: JSONRPCRequest, pending: _Pending) -> None:
        if pending.sending.cancel_called:
            return
        pending.is_begun = True
        try:
            with pending.sending:
                await self._transport.send(request)
        except BaseException as error:
            if ends_task(error):
                raise
            # Also what a custom transport must not raise: the caller shall see it.
            pending.settle(error_of(error))

    async def _wait(self, pending: _Pending, on_progress: OnProgress | None) -> None:
        while True:
            await pending.news.wait()
            pending.news = anyio.Event()
            while pending.progress:
                report = pending.progress.popleft()
                if on_progress is not None:
                    arguments = (report.progress, report.total, report.message)
                    pending.clock.hold()
                    await self._answers.call(on_progress, *arguments)
                    pending.clock.release()
            if pending.outcome is not None:
                return

    async def _cancel(self, request: JSONRPCRequest, *, timed_out: bool) -> None:
        """Tell the server, unless it cannot hear any more."""
        reason = "no answer in time" if timed_out else None
        message = self.protocol.send_cancelled(request.id, reason)
        if message is None or self.is_closed:
            return
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
            try:
                await self._transport.send(message)
            except BaseException as error:
                if ends_task(error):
                    raise
                logger.debug("the server was not told of a cancellation: %s", error)

    def _timeout(self, request: JSONRPCRequest, pending: _Pending) -> RequestTimeout:
        error = RequestTimeout(
            f"the server did not answer {request.method!r} within "
            f"{pending.clock.limit:g} seconds"
            + (f"; before that: {self._last_error}" if self._last_error else "")
        )
        error.__cause__ = self._last_error
        return error

    async def _receive(self, message: Message, sender: Sender) -> None:
        event = self.protocol.receive(message)
        match event:
            case AnswerReceived(id, answer):
                self._settle(id, answer)
            case Progressed():
                self._note_progress(event)
            case AskReceived():
                await self._questions.begin(event)
            case RequestCancelled(id):
                self._questions.cancel(id)
            case Answered(answered):
                await self._send_answer(answered)
            case Notified(method, params):
                self._on_notified(method, params)
            case Ignored(reason, is_late=True):
                logger.debug("message ignored: %s", reason)
            case Ignored(reason):
                self._note_error(RemoteProtocolError(f"message ignored: {reason:.500}"))

    def _settle(self, id: RequestId, answer: JSONRPCResponse | JSONRPCError) -> None:
        if id in self._pending:
            self._pending[id].settle(answer)

    def _note_progress(self, report: Progressed) -> None:
        if report.id in self._pending:
            pending = self._pending[report.id]
            pending.clock.restart()
            pending.progress.append(report)
            pending.news.set()

    async def _send_answer(self, answer: Message | None) -> None:
        if answer is None:
            return
        try:
            await self._transport.send(answer)
        except BaseException as error:
            if ends_task(error):
                raise
            self._note_error(error_of(error))

    def _note_error(self, error: Exception) -> None:
        """Take what went wrong with one request, or with what the server sent."""
        match error:
            case RequestFailed(request_id=id) if id in self._pending:
                if isinstance(error, SessionLost):
                    self._lose(error)
                # Whose fault it was is in the type.
                match error.__cause__:
                    case RemoteProtocolError() | OAuthError() as fault:
                        self._pending[id].settle(fault)
                    case _:
                        self._pending[id].settle(error)
                return
            case SessionLost():
                self._lose(error)
                self._fail_all(error)
            case MessageLost():
                # It may have been the answer to any of them.
                self._fail_all(error)
        self._last_error = error
        logger.warning("%s", error, of=str(error))

    def _end(self) -> None:
        self.is_closed = True
        why = f": {self._last_error}" if self._last_error else ""
        error = TransportClosed(f"the connection with the server has ended{why}")
        error.__cause__ = self._last_error
        self._fail_all(error)
        self._lose(error)

    def _lose(self, error: Exception) -> None:
        """Note that the session is gone, and with it what it was asked in it."""
        self.is_lost = True
        ends, self._session_ends = self._session_ends, ()
        end_sessions(ends, None if self._is_closing else error)
        self._why_lost = error
        self._has_lost.set()
        self._questions.cancel_all()

    def _fail_all(self, error: Exception) -> None:
        for pending in self._pending.values():
            pending.settle(error)
