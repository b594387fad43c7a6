"""Drives the client's half of the protocol over one transport."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.client.answers import Answers
from mcp_django.exceptions import (
    ErrorAnswer,
    MCPError,
    MessageLost,
    RemoteProtocolError,
    RequestFailed,
    RequestTimeout,
    SessionLost,
    TransportClosed,
)
from mcp_django.protocol.client import ClientProtocol
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

logger = logging.getLogger("mcp_django.client")

OnProgress: TypeAlias = Callable[[float, float | None, str | None], object]
OnNotified: TypeAlias = Callable[[str, JSONObject], None]

_MAX_ASKS = 100
"""Questions of a server that are answered at the same time."""

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

    patience: Patience
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ends_at: float = math.inf
    news: anyio.Event = field(default_factory=anyio.Event)
    progress: deque[Progressed] = field(
        default_factory=lambda: deque(maxlen=_MAX_PROGRESS)
    )
    outcome: JSONRPCResponse | JSONRPCError | Exception | None = None

    def begin(self) -> None:
        """Begin to count the time."""
        self.ends_at = anyio.current_time() + self.patience.total_seconds
        self.touch()

    def touch(self) -> None:
        """Note that the server works on it."""
        silent_until = anyio.current_time() + self.patience.seconds
        self.scope.deadline = min(silent_until, self.ends_at)

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

    Attributes:
        is_closed: Whether nothing more can be sent.
        is_lost: Whether the server has forgotten the session.
    """

    def __init__(
        self,
        transport: Transport,
        protocol: ClientProtocol,
        answers: Answers,
        tasks: TaskGroup,
        *,
        on_notified: OnNotified,
    ) -> None:
        self.protocol = protocol
        self.is_closed = False
        self.is_lost = False
        self._transport = transport
        self._answers = answers
        self._tasks = tasks
        self._on_notified = on_notified
        self._pending: dict[RequestId, _Pending] = {}
        self._asked: dict[RequestId, anyio.CancelScope] = {}
        self._asking_since: float | None = None
        self._last_error: Exception | None = None
        transport.answers_faults = False
        transport.on_message = self._receive
        transport.on_error = self._note_error
        transport.on_close = self._end

    @property
    def transport(self) -> Transport:
        """The transport."""
        return self._transport

    async def open(self) -> None:
        """Start the transport.

        Raises:
            ConnectFailed: There is no connection.
        """
        await self._transport.start(self._tasks)

    async def close(self) -> None:
        """Close the transport; what waits for an answer fails."""
        await self._transport.close()

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
        pending = _Pending(patience)
        self._pending[request.id] = pending
        try:
            with pending.scope:
                pending.begin()
                # In a task, because a server that does not read must not hold up
                # whoever gives up waiting for it.
                self._tasks.start_soon(self._send_request, request, pending)
                await self._wait(pending, on_progress)
        finally:
            del self._pending[request.id]
            if pending.outcome is None:
                await self._cancel(request, timed_out=pending.scope.cancelled_caught)
            self.protocol.drop(request.id)
        match pending.outcome:
            case None:
                raise self._timeout(request, pending)
            case Exception() as error:
                raise error
            case answer:
                return answer

    async def send(self, message: Message) -> None:
        """Send a message that wants no answer.

        Raises:
            TransportClosed: The transport is closed.
        """
        await self._transport.send(message)

    async def _send_request(self, request: JSONRPCRequest, pending: _Pending) -> None:
        try:
            await self._transport.send(request)
        except (MCPError, ValueError) as error:
            pending.settle(error)

    async def _wait(self, pending: _Pending, on_progress: OnProgress | None) -> None:
        while True:
            await pending.news.wait()
            pending.news = anyio.Event()
            while pending.progress:
                report = pending.progress.popleft()
                if on_progress is not None:
                    pending.scope.deadline = math.inf
                    arguments = (report.progress, report.total, report.message)
                    await self._answers.call(on_progress, *arguments)
                    pending.touch()
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
            except MCPError as error:
                logger.debug("the server was not told of a cancellation: %s", error)

    def _timeout(self, request: JSONRPCRequest, pending: _Pending) -> RequestTimeout:
        seconds = pending.patience.seconds
        if pending.scope.deadline >= pending.ends_at:
            seconds = pending.patience.total_seconds
        error = RequestTimeout(
            f"the server did not answer {request.method!r} within {seconds:g} seconds"
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
                self._take_ask(event)
            case RequestCancelled(id):
                if id in self._asked:
                    self._asked[id].cancel()
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
            if not self._asked:
                pending.touch()
            pending.progress.append(report)
            pending.news.set()

    def _take_ask(self, ask: AskReceived) -> None:
        """Begin to answer a question of the server; nothing times out meanwhile."""
        if len(self._asked) == _MAX_ASKS:
            text = f"this client answers at most {_MAX_ASKS} requests at a time"
            error = self.protocol.send_error(ask.id, INTERNAL_ERROR, text)
            self._tasks.start_soon(self._send_answer, error)
            return
        self._asked[ask.id] = anyio.CancelScope()
        self._pause()
        self._tasks.start_soon(self._answer, ask)

    async def _answer(self, ask: AskReceived) -> None:
        with self._asked[ask.id]:
            try:
                result = await self._answers.answer(ask.method, ask.params)
            except ErrorAnswer as error:
                answer: Message | None = self.protocol.send_error(
                    ask.id, error.code, error.message
                )
            else:
                answer = self.protocol.send_result(ask.id, result)
            finally:
                del self._asked[ask.id]
                self._go_on()
            await self._send_answer(answer)

    async def _send_answer(self, answer: Message | None) -> None:
        if answer is None:
            return
        try:
            await self._transport.send(answer)
        except (MCPError, ValueError) as error:
            self._note_error(error)

    def _pause(self) -> None:
        """Stop the clocks, because the server waits for us."""
        if self._asking_since is None:
            self._asking_since = anyio.current_time()
        for pending in self._pending.values():
            pending.scope.deadline = math.inf

    def _go_on(self) -> None:
        """Let the clocks run on, once the server waits for nothing of ours."""
        if self._asked or self._asking_since is None:
            return
        asked_for = anyio.current_time() - self._asking_since
        self._asking_since = None
        for pending in self._pending.values():
            pending.ends_at += asked_for
            pending.touch()

    def _note_error(self, error: Exception) -> None:
        """Take what went wrong with one request, or with what the server sent."""
        match error:
            case RequestFailed(request_id=id) if id in self._pending:
                self.is_lost |= isinstance(error, SessionLost)
                self._pending[id].settle(error)
                return
            case SessionLost():
                self.is_lost = True
                self._fail_all(error)
            case MessageLost():
                # It may have been the answer to any of them.
                self._fail_all(error)
        self._last_error = error
        logger.warning("%s", error)

    def _end(self) -> None:
        self.is_closed = True
        why = f": {self._last_error}" if self._last_error else ""
        error = TransportClosed(f"the connection with the server has ended{why}")
        error.__cause__ = self._last_error
        self._fail_all(error)
        for scope in self._asked.values():
            scope.cancel()

    def _fail_all(self, error: Exception) -> None:
        for pending in self._pending.values():
            pending.settle(error)
