"""Drives a two-way connection: messages to handlers, answers to the transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.tallies import tallies
from mcp_django.bulkheads.threads import ThreadPool, handler_threads
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    ErrorAnswer,
    RateExceeded,
    RemoteProtocolError,
    TransportClosed,
    UrlElicitationRequired,
)
from mcp_django.protocol import methods
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Ignored,
    Notified,
    Peer,
    RequestCancelled,
    RequestReceived,
    SessionRestarted,
)
from mcp_django.protocol.initialize import read_initialize
from mcp_django.protocol.jsonrpc import JSONObject, Message, notification
from mcp_django.protocol.legacy import LegacyServerProtocol, State
from mcp_django.protocol.server import ServerProtocol
from mcp_django.server.answering import answer_of, deliver, failed
from mcp_django.server.asking import Question
from mcp_django.server.languages import language_for
from mcp_django.server.notices import Notice, everything
from mcp_django.server.requests import Request, make_request
from mcp_django.server.server import Server
from mcp_django.server.session_lives import SessionLife, Why, is_heard
from mcp_django.sessions.questions import Questions
from mcp_django.sessions.room import Room
from mcp_django.sessions.session_state import StateInMemory
from mcp_django.sessions.subscriptions import Subscriptions
from mcp_django.transports.base import Sender, Transport
from mcp_django.worker.rates import exceeded_by
from mcp_django.worker.tasks import GroupTasks, Tasks

logger = FaultLog("mcp_django.sessions")

_RESTARTED: Final = ErrorAnswer(
    INTERNAL_ERROR, "the session was initialized again, which ended this request"
)

_FINISHING: Final = ErrorAnswer(
    INTERNAL_ERROR,
    "the connection is about to end; connect anew and send the request again",
)


class Session:
    """What one client does over a connection that stays, in every era.

    The era is chosen for each message. What is of the legacy era belongs to what
    `initialize` opens; requests of the modern era stand for themselves.

    Requests have to find room; all other messages are handled at once.

    Args:
        server: Answers.
        transport: Carries the messages; its callbacks are set here.
        tasks: Where the handlers run; ending them is their owner's business.
        id: Names the session; None where the transport needs no name for it.
        threads: Where `def` handlers run.
        protocol: Decides what the messages mean; one for both eras if left out.

    Attributes:
        id: Names the session; None where the transport needs no name for it.
        identity: Whose requests are counted; None where none are, as on stdio. Set by
            what holds the connection.
        room: The requests that run, and those that wait.
    """

    __slots__ = (
        "_is_finishing",
        "_life",
        "_peer",
        "_protocol",
        "_questions",
        "_state",
        "_subscriptions",
        "_tasks",
        "_threads",
        "_transport",
        "id",
        "identity",
        "room",
        "server",
    )

    def __init__(
        self,
        server: Server,
        transport: Transport,
        tasks: TaskGroup | Tasks,
        *,
        id: str | None = None,
        threads: ThreadPool = handler_threads,
        protocol: ServerProtocol | LegacyServerProtocol | None = None,
    ) -> None:
        self.server = server
        self._transport = transport
        self._tasks = tasks if isinstance(tasks, Tasks) else GroupTasks(tasks)
        self._threads = threads
        self._protocol = protocol or ServerProtocol(server.describe, server.server_info)
        self._is_finishing = False
        self.id = id
        self.identity: Identity | None = None
        self._life: SessionLife | None = None
        self._peer: Peer | None = None
        if is_heard(server):
            self._life = SessionLife(server, transport.binding, id, threads)
        self.room = Room(transport, self._tasks, self._answer)
        # Made when they are needed: most sessions are idle, and need none.
        self._state: StateInMemory | None = None
        self._questions: Questions | None = None
        self._subscriptions: Subscriptions | None = None
        transport.on_message = self.receive
        transport.on_clear = self.room.begin_waiting

    @property
    def peer(self) -> Peer | None:
        """What its client said of itself last; None while it has said nothing."""
        if self._peer is None and self._protocol.state is State.OPEN:
            return self._protocol.peer
        return self._peer

    # Messages of the client -----------------------------------------------------

    async def receive(self, message: Message, sender: Sender) -> None:
        """Handle one message; waits while there is no room for a request.

        Raises:
            TransportClosed: The session ended while the message waited.
        """
        event: Event | None = None
        if isinstance(message, JSONRPCRequest):
            if self.room.is_full:
                await self.room.wait(is_ping=message.method == methods.PING)
            if message.method == methods.INITIALIZE and self.server.has_lazy_text:
                event = await self._receive_initialize(message, sender)
        if event is None:
            event = self._protocol.receive(message)
        if self._life is not None:
            await self._note_life(self._life, message, event, sender)
        if not isinstance(event, RequestReceived):
            await self._handle(event)
        elif self._is_finishing:
            await self._refuse(event.id, _FINISHING)
        elif exceeded := self._count():
            tallies.refuse(exceeded.status, exceeded.message)
            await self._refuse_at_once(event.id, exceeded)
        else:
            self._peer = event.peer
            request = make_request(
                event,
                sender,
                self._notify,
                find_session=self._find_state,
                threads=self._threads,
            )
            if event.method == methods.LISTEN:
                self._tasks.start(self._listen(request))
            else:
                self.room.enter(request)

    async def _note_life(
        self, life: SessionLife, message: Message, event: Event, sender: Sender
    ) -> None:
        """Tell of the session as soon as its client has said what it is.

        In the modern era each request says so, and the first one opens it.
        """
        match event:
            case SessionRestarted(peer=peer):
                await life.close("client")
                await life.open(peer, sender.user)
            case RequestReceived(peer=peer) if not life.is_open:
                await life.open(peer, sender.user)
            case Answered(answer=JSONRPCResponse()) if not life.is_open:
                assert isinstance(message, JSONRPCRequest)  # what else is answered
                if message.method == methods.INITIALIZE:
                    await life.open(self._protocol.peer, sender.user)

    def _count(self) -> RateExceeded | None:
        """Count a request; give its refusal if its user sends too many."""
        if mcp_settings.MAX_RATE is None or self.identity is None:
            return None
        return exceeded_by(self.identity)

    async def _receive_initialize(
        self, message: JSONRPCRequest, sender: Sender
    ) -> Event:
        """Let the protocol answer in the client's language."""
        try:
            peer = read_initialize(message)
        except RemoteProtocolError:
            return self._protocol.receive(message)
        received = RequestReceived(
            message.id, message.method, message.params or {}, peer
        )
        request = make_request(
            received,
            sender,
            self._notify,
            find_session=self._find_state,
            threads=self._threads,
        )
        with await language_for(self.server, request):
            return self._protocol.receive(message)

    async def _handle(self, event: Event) -> None:
        """Handle what asks for no handler."""
        match event:
            case Answered(answer):
                self._transport.takes_batches = self._protocol.takes_batches
                await self._send_or_start_to(answer)
            case SessionRestarted(answer):
                logger.info("a session begins anew: it was initialized again")
                await self._begin_anew()
                self._transport.takes_batches = self._protocol.takes_batches
                await self._send_or_start_to(answer)
            case RequestCancelled(id, reason):
                logger.info("request %r was cancelled: %.200r", id, reason)
                if self._subscriptions is not None:
                    self._subscriptions.cancel(id)
                self.room.cancel(id)
            case AnswerReceived(id, answer) if self._questions is not None:
                self._questions.receive_answer(id, answer)
            case Notified(method, _):
                logger.debug("notified of %.200r", method)
            case Ignored(reason):
                logger.warning("message ignored: %.500s", reason, of=reason)

    def _find_state(self) -> StateInMemory:
        if self._state is None:
            self._state = StateInMemory(self.server, self.id)
        return self._state

    async def _begin_anew(self) -> None:
        """End all that belongs to the legacy session, whose client begins anew."""
        self._peer = None
        if self._state is not None:
            self._state.clear()
        await self.end_running(lambda request: request.session is not None, _RESTARTED)

    async def end_running(
        self, is_meant: Callable[[Request], bool], error: ErrorAnswer
    ) -> None:
        """End requests that are answered or wait, each with an error."""
        for request in (*self.room.running, *self.room.waiting):
            if is_meant(request):
                self.room.cancel(request.id)
                await self._refuse_at_once(request.id, error)

    # Answers --------------------------------------------------------------------

    async def _answer(self, request: Request) -> None:
        """Run the handler of a request, and send what it is answered with."""
        answer = await answer_of(
            self.server,
            request,
            ask=None if request.era.asks_in_results else self._ask,
            is_ending=lambda: self._tasks.is_ending,
        )
        if isinstance(answer, UrlElicitationRequired):
            for elicitation_id in answer.elicitation_ids:
                self._find_state().remember_elicitation(elicitation_id)
        if not self._protocol.settle(request.id):
            return
        send = self._transport.send_answer
        delivering = deliver(self.server, request, answer, send=send)
        del answer  # what is written is all that waits here until the client reads
        try:
            await delivering
        except TransportClosed as error:
            logger.debug("answer lost: %s", error)

    async def _ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        """Ask the client what a handler wants to know of it."""
        if self._questions is None:
            self._questions = Questions(
                self._protocol, self.room, self._find_state(), send=self._send
            )
        await self._questions.ask(request, questions)

    async def _listen(self, request: Request) -> None:
        """Begin to tell the client of changes, or say why not."""
        try:
            await self._open_subscriptions().listen(request)
        except ErrorAnswer as error:
            await self._refuse(request.id, error)
        except BaseException as error:
            if ends_task(error):
                raise
            answer = await failed(request, error)
            assert isinstance(answer, ErrorAnswer)  # only a tool has other ones
            await self._refuse(request.id, answer)

    async def _refuse(self, id: RequestId, error: ErrorAnswer) -> None:
        answer = self._protocol.send_error(id, error.code, error.message, error.data)
        if answer is not None:
            await self._send(answer)

    async def _refuse_at_once(self, id: RequestId, error: ErrorAnswer) -> None:
        answer = self._protocol.send_error(id, error.code, error.message, error.data)
        if answer is not None:
            await self._send_or_start_to(answer)

    async def _send_or_start_to(self, answer: Message) -> None:
        """Send an answer that needs no handler; the client may read it when it likes.

        Where that waits, nothing waits with it.
        """
        if self._transport.is_congested:
            self.room.send_late(self._send(answer))
        else:
            await self._send(answer)

    # What is told ---------------------------------------------------------------

    async def notify(self, notice: Notice) -> None:
        """Tell the client of a change, if it wants to know; waits for nothing."""
        # Most sessions asked for nothing by name, and are told of lists only.
        if not notice.subject or self._state is not None:
            self._open_subscriptions().notify(notice)

    async def tell_everything(self) -> None:
        """Tell the client of every change that it may have missed."""
        subscriptions = self._open_subscriptions()
        for notice in everything(self.server, subscriptions.uris):
            subscriptions.notify(notice)

    async def recheck(self) -> None:
        """Ask again what of its subscriptions its user may read."""
        if self._state is not None:
            await self._state.recheck()
        if self._subscriptions is not None:
            await self._subscriptions.recheck()

    async def end_subscriptions(self) -> None:
        """Answer the requests to listen, so that clients see a graceful end."""
        if self._subscriptions is not None:
            await self._subscriptions.end()

    def _open_subscriptions(self) -> Subscriptions:
        if self._subscriptions is None:
            self._subscriptions = Subscriptions(
                self.server,
                self._protocol,
                self._find_state(),
                send=self._send,
                start=self._tasks.start,
            )
        return self._subscriptions

    # The end --------------------------------------------------------------------

    async def finish(self) -> None:
        """Refuse further requests, and return when those that came are answered."""
        self._is_finishing = True
        await self.room.wait_until_idle()

    def note_why(self, why: Why) -> None:
        """Note why it is about to end; what is said first counts."""
        if self._life is not None:
            self._life.note_why(why)

    async def end(self, why: Why = "disconnected") -> None:
        """Cancel the handlers that run, and wait until they are over.

        Args:
            why: It ends, where nothing else was noted.
        """
        try:
            await self._tasks.end()
        finally:
            if self._life is not None:
                await self._life.end(why)

    # Sending --------------------------------------------------------------------

    async def _notify(self, method: str, params: JSONObject | None) -> None:
        await self._send(notification(method, params))

    async def _send(self, message: Message) -> None:
        try:
            await self._transport.send(message)
        except TransportClosed as error:
            logger.debug("message lost: %s", error)
