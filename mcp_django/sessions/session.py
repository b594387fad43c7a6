"""Drives a two-way connection: messages to handlers, answers to the transport."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.threads import ThreadPool, handler_threads
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    ErrorAnswer,
    RemoteProtocolError,
    TransportClosed,
    UrlElicitationRequired,
)
from mcp_django.protocol import jsonrpc, versions
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Ignored,
    Notified,
    RequestCancelled,
    RequestReceived,
    SessionRestarted,
)
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.legacy import LegacyServerProtocol, State, read_initialize
from mcp_django.protocol.methods import LISTEN
from mcp_django.protocol.server import ServerProtocol
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.protocol.uris import UriSet
from mcp_django.server.answering import (
    ResultOrError,
    answer_of,
    deliver,
    failed,
)
from mcp_django.server.asking import Question
from mcp_django.server.languages import language_for
from mcp_django.server.notices import Notice
from mcp_django.server.question_rounds import OpenQuestion, ask_round, refuse_round
from mcp_django.server.requests import Request, SessionState, make_request
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import MAX_URIS, check_uri, subscribe
from mcp_django.transports.base import Sender, Transport
from mcp_django.worker.notice_queue import NoticeQueue
from mcp_django.worker.subscribers import Subscriber
from mcp_django.worker.tasks import Cancel, GroupTasks, Tasks

logger = logging.getLogger("mcp_django.sessions")

_LOG_LEVEL = "info"
"""Least severe log messages that a client gets which did not say."""

_MAX_ELICITATIONS = 1000
"""Visits to URLs that one session remembers."""

_MAX_SUBSCRIPTIONS = 100
"""Requests to listen that one connection may have open."""

_MAX_ASKING = 1000
"""Requests of one session that may wait for their user; they hold up no other."""

_MAX_LATE_ANSWERS = 1000
"""Answers without a handler, such as to pings, that may wait to be sent."""

_RESTARTED = ErrorAnswer(
    INTERNAL_ERROR, "the session was initialized again, which ended this request"
)

_FINISHING = ErrorAnswer(
    INTERNAL_ERROR, "the server is being shut down; send the request again"
)


@dataclass(slots=True)
class _Run:
    """A request whose handler runs, or waits for the client's answers."""

    request: Request
    cancel: Cancel | None = None

    @property
    def is_legacy(self) -> bool:
        """Whether it belongs to the session that `initialize` opened."""
        return self.request.session is not None


class Session(SessionState):
    """What one client does over one transport, from its first message to its last.

    The era is chosen for each message. What is of the legacy era belongs to the session
    that `initialize` opens; requests of the modern era stand for themselves.

    At most `MAX_CONCURRENT` handlers run at a time; further requests wait in an inbox
    bounded by `MAX_INBOX` and `MAX_INBOX_BYTES`, and `receive` waits when that is
    full. All other messages are taken at once.

    Args:
        server: Who answers.
        transport: Carries the messages; its callbacks are set here.
        tasks: Where the handlers run; ending them is their owner's business.
        id: Names the session; None where the transport needs no name for it.
        threads: Where `def` handlers run.
        protocol: Decides what the messages mean; one for both eras if left out.
    """

    __slots__ = (
        "_asking",
        "_asks",
        "_elicitations",
        "_idle",
        "_inbox",
        "_inbox_bytes",
        "_is_finishing",
        "_late_answers",
        "_notices",
        "_protocol",
        "_room",
        "_running",
        "_subscriber",
        "_subscribing",
        "_subscriptions",
        "_tasks",
        "_threads",
        "_transport",
        "_uris",
        "id",
        "log_level",
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
        self.id = id
        self.log_level = _LOG_LEVEL
        self._transport = transport
        self._tasks = tasks if isinstance(tasks, Tasks) else GroupTasks(tasks)
        self._threads = threads
        self._protocol = protocol or ServerProtocol(server.describe, server.server_info)
        self._running: dict[RequestId, _Run] = {}
        # Made when it is needed: an empty deque takes 760 bytes of an idle session.
        self._inbox: deque[tuple[RequestReceived, Sender]] | None = None
        self._inbox_bytes = 0
        self._is_finishing = False
        self._late_answers = 0
        self._room: anyio.Event | None = None
        self._idle: anyio.Event | None = None
        self._asks: dict[RequestId, OpenQuestion] = {}
        self._asking = 0
        self._uris = UriSet(server.resource_keys.of)
        # A set in all but type, which keeps the order and takes less memory when empty.
        self._elicitations: dict[str, None] = {}
        self._subscriber: Subscriber | None = None
        self._subscriptions: dict[RequestId, tuple[Subscription, Subscriber]] = {}
        self._subscribing = 0
        self._notices: NoticeQueue | None = None
        transport.on_message = self.receive
        transport.on_clear = self._begin_waiting

    @property
    def has_room(self) -> bool:
        """Whether a request would be taken at once."""
        return (
            bool(
                self._may_begin
                or (
                    len(self._inbox or ()) < mcp_settings.MAX_INBOX
                    and self._inbox_bytes < mcp_settings.MAX_INBOX_BYTES
                )
            )
            and self._takes_pings
        )

    @property
    def _takes_pings(self) -> bool:
        """Whether the client has read enough of what needed no handler."""
        return self._late_answers < _MAX_LATE_ANSWERS

    async def receive(self, message: Message, sender: Sender) -> None:
        """Take one message; waits while the session has no room for a request.

        Raises:
            TransportClosed: The session ended while the message waited.
        """
        if isinstance(message, JSONRPCRequest):
            is_ping = message.method == "ping"
            while not (self.has_room or (is_ping and self._takes_pings)):
                self._room = self._room or anyio.Event()
                await self._room.wait()
                if self._tasks.is_ending:
                    raise TransportClosed("cannot receive: the session has ended")
            if message.method == "initialize" and self.server.has_lazy_text:
                await self._take(
                    await self._receive_initialize(message, sender), sender
                )
                return
        await self._take(self._protocol.receive(message), sender)

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
        with await language_for(self.server, self._request(received, sender)):
            return self._protocol.receive(message)

    async def _take(self, event: Event, sender: Sender) -> None:
        match event:
            case RequestReceived() if self._is_finishing:
                await self._send_answer(event.id, _FINISHING)
            case RequestReceived() if event.method == LISTEN:
                request = self._request(event, sender)
                self._start(self._listen(request))
            case RequestReceived():
                self._admit(event, sender)
            case Answered(answer):
                self._transport.takes_batches = self._protocol.takes_batches
                await self._send_or_start_to(answer)
            case SessionRestarted(answer):
                logger.info("a session begins anew: it was initialized again")
                await self._end_what_runs()
                self._transport.takes_batches = self._protocol.takes_batches
                await self._send_or_start_to(answer)
            case RequestCancelled(id, reason):
                logger.info("request %r was cancelled: %.200r", id, reason)
                self._cancel(id)
            case AnswerReceived(id, answer):
                self._take_answer(id, answer)
            case Notified(method, _):
                logger.debug("notified of %.200r", method)
            case Ignored(reason):
                logger.warning("message ignored: %.500s", reason)

    async def end(self) -> None:
        """Cancel the handlers that run, and wait until they are over."""
        await self._tasks.end()

    @property
    def requests(self) -> list[Request]:
        """The requests whose handlers run."""
        return [run.request for run in self._running.values()]

    async def finish(self) -> None:
        """Take no more requests, and return when those that were taken are answered."""
        self._is_finishing = True
        await self.wait_until_idle()

    async def wait_until_idle(self) -> None:
        """Return when every request that was taken is answered."""
        while self._running:
            self._idle = self._idle or anyio.Event()
            await self._idle.wait()

    async def notify(self, notice: Notice) -> None:
        """Tell the client of a change, if it wants to know; waits for nothing.

        What changes again before the client was told is told once.

        Spec: 2025-11-25 server/resources, "Subscriptions"; 2026-07-28
        basic/patterns/subscriptions.
        """
        # What nobody wants to know must not wait for a slow client.
        if not (self._wanted(notice) or any(self._messages_of(notice))):
            return
        if self._notices is None:
            self._notices = NoticeQueue(self._send_notice, self._start)
        self._notices.put(notice)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.start(coroutine)

    def _wanted(self, notice: Notice) -> list[Notice]:
        """Give what the legacy session wants to know of a change, in its own words."""
        if self._protocol.state is not State.OPEN:
            return []
        if notice.topic == "elicitation":
            return [notice] if notice.subject in self._elicitations else []
        return notice.as_written_in(self._uris)

    async def _send_notice(self, notice: Notice) -> None:
        for own in self._wanted(notice):
            if (
                (self._subscriber is None or await self._subscriber.may_hear(own))
                and own in self._wanted(notice)  # still, after what may take a while
            ):
                self._elicitations.pop(own.subject, None)
                await self._notify(own.method, own.params or None)
        for id, subscriber, own, message in list(self._messages_of(notice)):
            if await subscriber.may_hear(own) and id in self._subscriptions:
                await self._send(message)

    def _messages_of(
        self, notice: Notice
    ) -> Iterator[tuple[RequestId, Subscriber, Notice, Message]]:
        """Give what those subscriptions are told that want to know."""
        for id, (subscription, subscriber) in self._subscriptions.items():
            for own in notice.as_written_in(subscription.uris):
                message = subscription.notification(own.method, own.params)
                if message is not None:
                    yield id, subscriber, own, message

    @property
    def uris(self) -> Iterable[str]:
        """What the client subscribed to, in either era."""
        listened = [subscribed.uris for subscribed, _ in self._subscriptions.values()]
        return {uri for uris in (self._uris, *listened) for uri in uris}

    async def recheck(self) -> None:
        """Ask again what of its subscriptions its user may read."""
        if self._subscriber is not None:
            await self._subscriber.recheck(list(self._uris))
        for subscription, subscriber in list(self._subscriptions.values()):
            await subscriber.recheck(subscription.uris)

    # Listening, in the modern era -----------------------------------------------

    async def _listen(self, request: Request) -> None:
        """Begin to tell the client of changes; the request stays open."""
        id = request.id
        try:
            subscription = await self._subscribe(request)
        except ErrorAnswer as error:
            await self._send_answer(id, error)
        except BaseException as error:
            if ends_task(error):
                raise
            await self._send_answer(id, await failed(request, error))
        else:
            if request.is_cancelled or not self._protocol.has_in_flight(id):
                return
            subscriber = Subscriber(self.server, request, subscription.uris)
            self._subscriptions[id] = subscription, subscriber
            await self._send(subscription.acknowledgement)

    async def _subscribe(self, request: Request) -> Subscription:
        """Agree to tell the client of changes.

        Raises:
            ErrorAnswer: The request is malformed, or one too many.
        """
        # Permissions take a while: who waits for them counts.
        if len(self._subscriptions) + self._subscribing >= _MAX_SUBSCRIPTIONS:
            raise ErrorAnswer(
                INTERNAL_ERROR,
                f"too many subscriptions; {_MAX_SUBSCRIPTIONS} are allowed",
            )
        self._subscribing += 1
        try:
            return await subscribe(self.server, request)
        finally:
            self._subscribing -= 1

    async def end_subscriptions(self) -> None:
        """Answer the requests to listen, so that clients see a graceful end."""
        for id, (subscription, _) in list(self._subscriptions.items()):
            del self._subscriptions[id]
            await self._send_answer(id, subscription.result)

    # What the client set for its session ------------------------------------------

    async def read_log_level(self) -> str:
        """Give the severity of the least severe log messages to send."""
        return self.log_level

    async def set_log_level(self, level: str) -> None:
        """Send log messages of this severity and above from now on."""
        self.log_level = level

    async def subscribe(self, uri: str, request: Request) -> None:
        """Tell the client whenever a resource changes, as long as it may be read."""
        check_uri(uri)
        if len(self._uris) >= MAX_URIS and uri not in self._uris.written(uri):
            raise ErrorAnswer(
                INTERNAL_ERROR, f"too many subscriptions; {MAX_URIS} are allowed"
            )
        self._uris.add(uri)
        if self._subscriber is None:
            self._subscriber = Subscriber(self.server, request)
        self._subscriber.note_readable(uri, request)

    async def unsubscribe(self, uri: str) -> None:
        """Tell it no longer."""
        for removed in self._uris.remove(uri):
            if self._subscriber is not None:
                self._subscriber.forget(removed)

    async def _end_what_runs(self) -> None:
        """End all that belongs to the legacy session, whose client begins anew."""
        self.log_level = _LOG_LEVEL
        self._uris.clear()
        self._subscriber = None
        self._elicitations.clear()
        running = [run.request.id for run in self._running.values() if run.is_legacy]
        waiting = [
            received.id
            for received, _ in self._inbox or ()
            if received.peer.version in versions.LEGACY
        ]
        for id in [*running, *waiting]:
            self._cancel(id)
            answer = self._message(id, _RESTARTED)
            if answer is not None:
                await self._send_or_start_to(answer)

    async def _send_or_start_to(self, answer: Message) -> None:
        """Send an answer; where that waits for the client to read, let nobody wait."""
        if self._transport.is_congested:
            self._late_answers += 1
            self._tasks.start(self._send(answer), self._end_late_answer)
        else:
            await self._send(answer)

    def _end_late_answer(self) -> None:
        self._late_answers -= 1
        self._announce_room()

    # Requests of the client -----------------------------------------------------

    @property
    def _may_begin(self) -> bool:
        """Whether a request that comes now runs at once.

        While results wait to be read, no more handlers run side by side than do now;
        those do not count whose user ponders a question, for they may take long.
        """
        return self._all_ponder or (
            not self._inbox
            and len(self._running) < mcp_settings.MAX_CONCURRENT
            and not self._transport.is_congested
        )

    @property
    def _all_ponder(self) -> bool:
        """Whether every handler that runs waits for its user."""
        return len(self._running) == self._asking

    def _admit(self, received: RequestReceived, sender: Sender) -> None:
        if self._may_begin:
            self._begin(received, sender)
        else:
            if self._inbox is None:
                self._inbox = deque()
            self._inbox.append((received, sender))
            self._inbox_bytes += sender.size

    def _begin(self, received: RequestReceived, sender: Sender) -> None:
        request = self._request(received, sender)
        run = self._running[received.id] = _Run(request)
        run.cancel = self._tasks.start(self._answer(request), partial(self._end, run))

    def _request(self, received: RequestReceived, sender: Sender) -> Request:
        return make_request(
            received,
            sender,
            self._notify,
            session=None if received.peer.version in versions.MODERN else self,
            threads=self._threads,
        )

    def _end(self, run: _Run) -> None:
        """Let a request go that is answered or cancelled, and begin the next."""
        request = run.request
        request.is_cancelled = True
        # A client may use the id of a cancelled request again.
        if self._running.get(request.id) is run:
            del self._running[request.id]
        self._begin_waiting()

    async def _answer(self, request: Request) -> None:
        answer = await answer_of(
            self.server, request, ask=self._ask, is_ending=self._has_to_end
        )
        if isinstance(answer, UrlElicitationRequired):
            for elicitation_id in answer.elicitation_ids:
                self._remember_elicitation(elicitation_id)
        if not self._protocol.settle(request.id):
            return
        delivering = deliver(self.server, request, answer, send=self._send_written)
        del answer  # what is written is all that waits here until the client reads
        await delivering

    def _has_to_end(self) -> bool:
        return self._tasks.is_ending

    async def _send_answer(self, id: RequestId, answer: ResultOrError) -> None:
        message = self._message(id, answer)
        if message is not None:
            await self._send(message)

    def _message(self, id: RequestId, answer: ResultOrError) -> Message | None:
        """Make the message that answers a request; None if it wants no answer."""
        if isinstance(answer, ErrorAnswer):
            return self._protocol.send_error(
                id, answer.code, answer.message, answer.data
            )
        return self._protocol.send_result(id, answer)

    def _cancel(self, id: RequestId) -> None:
        self._subscriptions.pop(id, None)
        run = self._running.get(id)
        if run is not None:
            run.request.is_cancelled = True
            if run.cancel is not None:
                run.cancel()
            return
        inbox = self._inbox or deque()
        for waiting in inbox:
            if waiting[0].id == id:
                inbox.remove(waiting)
                self._inbox_bytes -= waiting[1].size
                self._announce_room()
                return

    def _begin_waiting(self) -> None:
        # One for the one that ended. One more unless its result would only wait, so
        # that handlers become many again, but not with a rush.
        for _ in range(1 if self._transport.is_congested else 2):
            is_full = len(self._running) >= mcp_settings.MAX_CONCURRENT
            if not self._inbox or (is_full and not self._all_ponder):
                break
            received, sender = self._inbox.popleft()
            self._inbox_bytes -= sender.size
            self._begin(received, sender)
        self._announce_room()
        if not self._running and self._idle is not None:
            self._idle.set()
            self._idle = None

    def _announce_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    # Requests to the client -----------------------------------------------------

    async def _ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        if self._asking >= _MAX_ASKING:
            refuse_round(request, questions, "too many questions are open")
            return
        self._asking += 1
        self._begin_waiting()
        try:
            await ask_round(
                request,
                questions,
                begin=self._begin_asking,
                end=self._end_asking,
                send=self._send,
            )
        finally:
            self._asking -= 1

    async def _begin_asking(
        self, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        message = self._protocol.send_ask(question.method, question.params)
        pending = self._asks[message.id] = OpenQuestion()
        if "elicitationId" in question.params:
            self._remember_elicitation(question.params["elicitationId"])
        return message, pending

    def _end_asking(self, id: RequestId) -> Message:
        del self._asks[id]
        return self._protocol.send_ask_cancelled(id, "no longer needed")

    def _remember_elicitation(self, id: str) -> None:
        """Keep in mind whom to tell that a visit to a URL ended."""
        self._elicitations[id] = None
        if len(self._elicitations) > _MAX_ELICITATIONS:
            del self._elicitations[next(iter(self._elicitations))]

    def _take_answer(
        self, id: RequestId, answer: JSONRPCResponse | JSONRPCError
    ) -> None:
        pending = self._asks.get(id)
        if pending is not None:
            pending.learn(answer)

    # Sending --------------------------------------------------------------------

    async def _notify(self, method: str, params: JSONObject | None) -> None:
        await self._send(jsonrpc.notification(method, params))

    async def _send_written(self, written: bytes, answer: ResultOrError) -> None:
        try:
            await self._transport.send_answer(written)
        except TransportClosed as error:
            logger.debug("answer lost: %s", error)

    async def _send(self, message: Message) -> None:
        try:
            await self._transport.send(message)
        except TransportClosed as error:
            logger.debug("message lost: %s", error)
