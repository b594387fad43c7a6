"""Streamable HTTP: one URL for every version from 2025-03-26 on, and 2024-11-05 too.

The era is chosen for each POST by what it carries.

Spec: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports;
2025-03-26 basic/transports for batches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcp_django.auth.interface import Identity
from mcp_django.conf import mcp_settings
from mcp_django.consumers import gate
from mcp_django.consumers.exchange import Exchange, Headers
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.consumers.messages import respond_taken
from mcp_django.consumers.slow_reader import FlowControlledExchange
from mcp_django.exceptions import ErrorAnswer, RemoteProtocolError, ServiceAway
from mcp_django.exchanges.batches import BatchedExchange, run_together
from mcp_django.exchanges.calls import (
    LegacyExchange,
    ModernExchange,
    make_request,
)
from mcp_django.exchanges.event_keys import Kind, kind_of
from mcp_django.exchanges.event_store import Replay, replay
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.followers import Followers
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.questions import Questions
from mcp_django.exchanges.resumed_streams import ResumedStream
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.session_id import (
    HTTPSession,
    make_session_id,
    read_session_id,
    renew_session_id,
)
from mcp_django.exchanges.stored_streams import StoredStream
from mcp_django.exchanges.streams import ListenStream, StandaloneStream
from mcp_django.exchanges.turns import Turns
from mcp_django.protocol import jsonrpc, legacy, methods, modern, versions
from mcp_django.protocol.error_codes import SESSION_NOT_FOUND
from mcp_django.protocol.events import Peer
from mcp_django.protocol.http_headers import Accepted, accepted, check_standard
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.fingerprints import fingerprint_of
from mcp_django.server.languages import language_for
from mcp_django.server.requests import Request
from mcp_django.server.subscriptions import subscribe
from mcp_django.transports.base import Sender
from mcp_django.transports.server.refusals import RETRY_LATER, Refused, refusal_of
from mcp_django.transports.server.reply_events import ReplyLimits
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.worker.acknowledgement import ACCEPTED, Taken
from mcp_django.worker.worker import Worker, current_worker

METHODS: Final = ("POST", "GET", "DELETE")


class StreamableHTTPConsumer(HTTPConsumer):
    """Answers one request at the MCP endpoint, of any version."""

    exchange_type = FlowControlledExchange

    async def handle(self, exchange: Exchange) -> None:
        """Answer a POST, hold a stream for a GET, end a session for a DELETE."""
        identity = await gate.admit(exchange, METHODS)
        if identity is None:
            return
        match exchange.method:
            case "POST":
                await self._post(exchange, identity)
            case "GET":
                await self._get(exchange, identity)
            case _:
                await self._delete(exchange, identity)

    async def _post(self, exchange: Exchange, identity: Identity) -> None:
        accepts = accepted(exchange.headers.get("accept"))
        if not (accepts.json or accepts.stream):
            raise Refused(
                406, "accept application/json and text/event-stream, or one of the two"
            )
        body = await exchange.read_json(mcp_settings.MAX_BODY_BYTES)
        sender = Sender(identity.user, exchange.headers, len(body), exchange.address)
        try:
            parsed = jsonrpc.parse(body)
            if _is_modern(parsed, exchange.headers.get("mcp-protocol-version")):
                await self._post_modern(exchange, identity, accepts, parsed, sender)
            else:
                await self._post_legacy(exchange, identity, accepts, parsed, sender)
        except RemoteProtocolError as error:
            status = 404 if error.code == METHOD_NOT_FOUND else 400
            answer = jsonrpc.error(
                error.request_id, error.code, error.message, error.data
            )
            await exchange.respond(status, jsonrpc.serialize(answer))

    # 2026-07-28 -----------------------------------------------------------------

    async def _post_modern(
        self,
        exchange: Exchange,
        identity: Identity,
        accepts: Accepted,
        message: Message | list[Message],
        sender: Sender,
    ) -> None:
        if isinstance(message, JSONRPCNotification):
            # Also a cancellation: ids belong to one exchange, whose end cancels it.
            await exchange.respond(202)
            return
        if not isinstance(message, JSONRPCRequest):
            raise RemoteProtocolError(
                "this version takes one request or notification, no answers, no batches"
            )
        peer = modern.read_peer(message)
        # First: a version that the header says otherwise is not what is wrong with it.
        check_standard(message, peer.version, exchange.headers)
        modern.check_version(peer, message.id)
        modern.check_method(message)
        worker = current_worker()
        if message.method == methods.LISTEN:
            await self._listen(
                exchange, identity, accepts, make_request(message, peer, sender)
            )
            return
        if worker.unread.total:
            await _wait_for_reader(worker, identity)
        with await worker.connections.reserve(identity.owner, "call"):
            reply = Reply(
                exchange,
                accepted=accepts,
                limits=_limits,
                unread=worker.unread,
                owner=identity.owner,
            )
            request = make_request(message, peer, sender, reply, mirrors_headers=True)
            running = ModernExchange(self.server, worker, identity, reply, request)
            await running.run(exchange.wait_for_disconnect)

    async def _listen(
        self,
        exchange: Exchange,
        identity: Identity,
        accepts: Accepted,
        request: Request,
    ) -> None:
        if not accepts.stream:
            raise Refused(406, f"{request.method} answers with text/event-stream")
        worker = current_worker()
        await worker.relay.open()
        try:
            subscription = await subscribe(self.server, request)
        except ServiceAway:
            raise
        except ErrorAnswer as error:
            raise RemoteProtocolError(
                error.message, code=error.code, data=error.data, request_id=request.id
            ) from None
        with await worker.connections.reserve(identity.owner, "stream"):
            stream = ListenStream(
                self.server, worker, identity, exchange, subscription, request
            )
            await stream.run(exchange.wait_for_disconnect)

    # Versions with sessions -------------------------------------------------------

    async def _post_legacy(
        self,
        exchange: Exchange,
        identity: Identity,
        accepts: Accepted,
        parsed: Message | list[Message],
        sender: Sender,
    ) -> None:
        if isinstance(parsed, JSONRPCRequest) and parsed.method == methods.INITIALIZE:
            await self._initialize(exchange, identity, accepts, parsed, sender)
            return
        session = await self._find_session(exchange, identity)
        match parsed:
            case list():
                _check_batch(parsed, session)
                await self._answer_batch(
                    exchange, identity, accepts, session, parsed, sender
                )
            case JSONRPCRequest():
                await self._answer(exchange, identity, accepts, session, parsed, sender)
            case _:
                await respond_taken(exchange, await _take(parsed, session))

    async def _answer(
        self,
        exchange: Exchange,
        identity: Identity,
        accepts: Accepted,
        session: HTTPSession,
        message: JSONRPCRequest,
        sender: Sender,
    ) -> None:
        worker = current_worker()
        reply = _reply_of(exchange, accepts, worker, session, identity)
        answer = legacy.answer_at_once(message)
        if answer is not None:
            await reply.answer(jsonrpc.serialize(answer))
            return
        if worker.unread.total:
            await _wait_for_reader(worker, identity)
        with await worker.connections.reserve(identity.owner, "call"):
            request = make_request(message, session.peer, sender, reply)
            running = LegacyExchange(
                self.server, worker, identity, reply, request, session, exchange.leave
            )
            await running.run(exchange.wait_for_disconnect)

    async def _answer_batch(
        self,
        exchange: Exchange,
        identity: Identity,
        accepts: Accepted,
        session: HTTPSession,
        messages: Sequence[Message],
        sender: Sender,
    ) -> None:
        """Answer each request of a batch, and take what needs no answer."""
        requests, taken = await _take_all(messages, session)
        if not requests:
            await respond_taken(exchange, taken)
            return
        worker = current_worker()
        answers = [legacy.answer_at_once(message) for message in requests]
        count, places = answers.count(None), None
        if count:
            await _check_room(worker, session, identity, count)
            places = await worker.connections.reserve(identity.owner, "call", count)
        # Nothing waits from here until their session counts the requests.
        reply = _reply_of(
            exchange,
            accepts,
            worker,
            session,
            identity,
            batch_size=len(requests),
        )
        running = [
            BatchedExchange(
                self.server,
                worker,
                identity,
                reply,
                make_request(message, session.peer, sender, reply),
                session,
                exchange.leave,
            )
            for message, answer in zip(requests, answers, strict=True)
            if answer is None
        ]
        at_once = [jsonrpc.serialize(answer) for answer in answers if answer]
        await run_together(
            running, places, at_once, reply, exchange.wait_for_disconnect
        )

    async def _initialize(
        self,
        exchange: Exchange,
        identity: Identity,
        accepts: Accepted,
        message: JSONRPCRequest,
        sender: Sender,
    ) -> None:
        headers: Headers = ()
        try:
            peer = legacy.read_initialize(message)
        except RemoteProtocolError as error:
            answer: Message = jsonrpc.error(message.id, error.code, error.message)
        else:
            with await language_for(self.server, make_request(message, peer, sender)):
                described = self.server.describe(peer.version)
            answer = jsonrpc.result(
                message.id, {"protocolVersion": peer.version, **described}
            )
            id = await self._begin_session(exchange, identity, peer)
            headers = [(b"mcp-session-id", id.encode())]
        reply = Reply(exchange, accepted=accepts, limits=_limits, headers=headers)
        await reply.answer(jsonrpc.serialize(answer))

    async def _begin_session(
        self, exchange: Exchange, identity: Identity, peer: Peer
    ) -> str:
        """Give the id for an `initialize`, which may come again within a session.

        As on other connections: if the client says the same of itself as before, its
        session goes on, else that ends. If the lists are others now, the id that goes
        on says so, because the client is about to read them.
        """
        now = fingerprint_of(self.server)
        id = exchange.headers.get("mcp-session-id")
        if id is not None:
            session = await self._open_session(id, identity)
            if session is not None and session.is_of(peer):
                is_same = session.fingerprint == now
                return id if is_same else renew_session_id(session, now)
            if session is not None:
                # It ends for the workers that run, and one that goes on does no harm.
                with contextlib.suppress(ServiceAway):
                    await current_worker().part(OpenSessions).end(session)
        return make_session_id(self.server.name, identity.owner, peer, now)

    async def _get(self, exchange: Exchange, identity: Identity) -> None:
        if not accepted(exchange.headers.get("accept")).stream:
            raise Refused(406, "a GET is answered with text/event-stream; accept it")
        session = await self._find_session(exchange, identity)
        last_event_id = exchange.headers.get("last-event-id")
        replayed = None
        if last_event_id is not None:
            replayed = await _replay(session, last_event_id)
        if replayed is not None and replayed.is_ended and not replayed.events:
            # Clients that do not take an error, or a cancellation, for an answer
            # come back again and again, until they are told that there is nothing.
            raise Refused(
                405,
                "this stream has ended, and nothing more will come on it",
                headers=[(b"allow", b"POST, DELETE")],
            )
        worker = current_worker()
        with await worker.connections.reserve(identity.owner, "stream"):
            await self._hold_stream(
                exchange, identity, session, last_event_id, replayed
            )

    async def _hold_stream(
        self,
        exchange: Exchange,
        identity: Identity,
        session: HTTPSession,
        last_event_id: str | None,
        replayed: Replay | None,
    ) -> None:
        worker = current_worker()
        if replayed is not None and replayed.kind == "call":
            stream: ResumedStream | StandaloneStream = ResumedStream(
                self.server, worker, identity, exchange, session, replayed=replayed
            )
        else:
            stream = StandaloneStream(
                self.server,
                worker,
                identity,
                exchange,
                session,
                sender=Sender(identity.user, exchange.headers),
                log=_new_log(worker, session, "standalone", replayed),
                replayed=replayed,
                is_behind=last_event_id is not None,
            )
        await stream.run(exchange.wait_for_disconnect)

    async def _delete(self, exchange: Exchange, identity: Identity) -> None:
        session = await self._find_session(exchange, identity)
        try:
            await current_worker().part(OpenSessions).end(session)
        except ServiceAway as away:
            raise Refused(
                503,
                f"the session has ended, but that cannot be kept now: {away.message}",
                headers=refusal_of(away).headers,
            ) from None
        await exchange.respond(200)

    async def _find_session(
        self, exchange: Exchange, identity: Identity
    ) -> HTTPSession:
        """Find the session of a request.

        Raises:
            Refused: 400 if the request names none, or an unknown version; 404 if there
                is no such session of this user; 405 if the version has no sessions.
        """
        version = exchange.headers.get("mcp-protocol-version")
        if version in versions.MODERN and exchange.method != "POST":
            raise Refused(
                405,
                f"{exchange.method} is not part of protocol version {version}; use "
                "POST",
                headers=[(b"allow", b"POST")],
            )
        if version is not None and version not in versions.LEGACY:
            raise Refused(
                400,
                f"unsupported MCP-Protocol-Version {version[:100]!r}; supported are "
                f"{list(versions.ALL)!r}",
            )
        id = exchange.headers.get("mcp-session-id")
        if id is None:
            raise Refused(
                400,
                "Mcp-Session-Id is missing: send initialize first, and then the id "
                "from its answer",
            )
        session = await self._open_session(id, identity)
        if session is None:
            # One answer for all: nobody learns of the sessions of somebody else.
            raise Refused(404, "Session not found", code=SESSION_NOT_FOUND)
        return session

    async def _open_session(self, id: str, identity: Identity) -> HTTPSession | None:
        """Read the id of a session; None unless it is open, here, and this user's."""
        session = read_session_id(id)
        if (
            session is None
            or session.server_name != self.server.name
            or session.owner != identity.owner
            or not await current_worker().part(OpenSessions).is_open(session)
        ):
            return None
        return session


def _is_modern(parsed: Message | list[Message], version: str | None) -> bool:
    """Say whether a body is of the modern era, alone or by the header of its request.

    Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions".
    """
    if not isinstance(parsed, list) and modern.is_modern(parsed):
        return True
    is_initialize = (
        isinstance(parsed, JSONRPCRequest) and parsed.method == methods.INITIALIZE
    )
    return version in versions.MODERN and not is_initialize


async def _wait_for_reader(worker: Worker, identity: Identity) -> None:
    """Wait until a user has read enough of what was answered before.

    Raises:
        Refused: 503: that takes too long.
    """
    timeout = mcp_settings.ROOM_TIMEOUT
    if not await worker.unread.wait_for_room(identity.owner, timeout):
        unread = worker.unread.bytes_of(identity.owner)
        raise Refused(
            503,
            f"{unread} bytes that this user was answered wait to be read; read them "
            "and try again",
            headers=RETRY_LATER,
        )


async def _check_room(
    worker: Worker, session: HTTPSession, identity: Identity, count: int
) -> None:
    """Wait until a session has room for the requests of a batch.

    Raises:
        RemoteProtocolError: It never has room for so many.
        Refused: 503: that takes too long.
    """
    most = worker.part(Turns).most
    if identity.owner:
        most = min(most, mcp_settings.MAX_CALLS_PER_USER)
    if count > most:
        raise RemoteProtocolError(
            f"a batch of {count} requests; at most {most} may run and wait in a session"
        )
    timeout = mcp_settings.ROOM_TIMEOUT
    if not await worker.part(Turns).wait_for_room(session.key, count, timeout):
        raise Refused(
            503,
            "the session has no room for more requests; try again later",
            headers=RETRY_LATER,
        )


def _check_batch(messages: Sequence[Message], session: HTTPSession) -> None:
    """Refuse a batch where there are none, with an `initialize`, or with an id twice.

    Raises:
        RemoteProtocolError: It is refused.

    Spec: 2025-03-26 basic, "Batching"; basic/lifecycle, "Initialization".
    """
    if session.peer.version not in versions.BATCHES:
        raise RemoteProtocolError(
            "batches are not part of this protocol version; send one message"
        )
    ids = set()
    for message in messages:
        if not isinstance(message, JSONRPCRequest):
            continue
        if message.method == methods.INITIALIZE:
            raise RemoteProtocolError(
                "initialize must not be part of a batch", request_id=message.id
            )
        if message.id in ids:
            # Spec: 2025-03-26 basic, "Requests": ids are not used twice.
            raise RemoteProtocolError(
                "two requests of a batch have the same id", request_id=message.id
            )
        ids.add(message.id)


async def _take_all(
    messages: Sequence[Message], session: HTTPSession
) -> tuple[list[JSONRPCRequest], Taken]:
    """Take all that needs no answer.

    Returns:
        The requests, and what came of the last message that is none.
    """
    requests, taken = [], ACCEPTED
    for message in messages:
        if isinstance(message, JSONRPCRequest):
            requests.append(message)
        else:
            taken = await _take(message, session)
    return requests, taken


async def _take(message: Message, session: HTTPSession) -> Taken:
    """Take a notification, or an answer to a question."""
    worker = current_worker()
    if isinstance(message, JSONRPCResponse | JSONRPCError):
        return await worker.part(Questions).answer(session, message)
    if isinstance(message, JSONRPCNotification):
        id = legacy.cancelled_id(message)
        if id is not None:
            await worker.part(RunningCalls).cancel(session, id)
    return ACCEPTED


async def _replay(session: HTTPSession, last_event_id: str) -> Replay | None:
    """Read what a client has missed.

    Returns:
        The events; None of a standalone stream if nothing is kept that it could go on
        from. Its client is well served with a new one: clients give up at an error.

    Raises:
        Refused: 400: nothing is kept of a call.
        ServiceAway: What is kept of a call cannot be read.
    """
    is_call = kind_of(last_event_id) != "standalone"
    try:
        if mcp_settings.EVENT_STORE_CACHE is None:
            raise LookupError(last_event_id)
        # Clients come back at once, too, for what is still on its way to the store.
        await current_worker().part(EventWrites).flush()
        return await replay(session.key, last_event_id)
    except ServiceAway:
        if is_call:
            raise
        return None
    except LookupError:
        if not is_call:
            return None
        raise Refused(
            400,
            "nothing is kept after this Last-Event-ID; send the request again, or open "
            "a stream without it",
        ) from None


def _reply_of(
    exchange: Exchange,
    accepts: Accepted,
    worker: Worker,
    session: HTTPSession,
    identity: Identity,
    *,
    batch_size: int | None = None,
) -> Reply:
    """Make the reply to a POST of a session."""
    return Reply(
        exchange,
        accepted=accepts,
        limits=_limits,
        batch_size=batch_size,
        log=_new_log(worker, session, "call"),
        primes=session.primes_streams,
        unread=worker.unread,
        owner=identity.owner,
    )


def _new_log(
    worker: Worker, session: HTTPSession, kind: Kind, replayed: Replay | None = None
) -> StoredStream | None:
    if mcp_settings.EVENT_STORE_CACHE is None:
        return None
    tell = partial(worker.part(Followers).tell, session)
    return StoredStream(
        session.key,
        kind,
        writes=worker.part(EventWrites),
        tell=tell,
        start=worker.start,
        after=replayed,
    )


def _limits() -> ReplyLimits:
    return ReplyLimits(
        max_event_bytes=mcp_settings.MAX_EVENT_BYTES,
        stream_after_seconds=mcp_settings.STREAM_AFTER_SECONDS,
        keep_alive_seconds=mcp_settings.KEEP_ALIVE_SECONDS,
        max_result_bytes=mcp_settings.MAX_RESULT_BYTES,
        max_held_seconds=mcp_settings.MAX_HELD_SECONDS,
    )
