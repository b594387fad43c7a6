"""Legacy sessions over Streamable HTTP: how they begin, are used and end.

Spec: 2025-11-25 basic/transports, "Session Management".
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

from mcp_types.jsonrpc import RequestId

from mcp_django.auth.interface import Identity
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.event_keys import Kind
from mcp_django.exchanges.event_store import Replay
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.followers import Followers
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.post import HTTPExchange, Post
from mcp_django.exchanges.questions import Questions
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.session_id import (
    HTTPSession,
    make_session_id,
    marks_of,
    read_session_id,
    renew_session_id,
    session_in,
)
from mcp_django.exchanges.session_lives import SessionLives
from mcp_django.exchanges.session_lives import end_session as end_in_all_workers
from mcp_django.exchanges.stored_streams import StoredStream
from mcp_django.protocol import jsonrpc, legacy
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Peer,
    RequestCancelled,
)
from mcp_django.server.fingerprints import fingerprint_of
from mcp_django.server.server import Server
from mcp_django.server.session_lives import is_heard
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.acknowledgement import ACCEPTED, Taken
from mcp_django.worker.worker import Worker, current_worker


async def begin_session(post: Post, peer: Peer, before: HTTPSession | None) -> str:
    """Give the id for an `initialize`, which may come again within a session.

    As on other connections: if the client says the same of itself as before, its
    session goes on, else that ends. If the lists are others now, the id that goes
    on says so, because the client is about to read them.

    Args:
        post: What brings it.
        peer: What it says of its client.
        before: The session within which it comes.
    """
    now = fingerprint_of(post.server)
    if before is not None and before.is_of(peer):
        is_same = before.fingerprint == now
        id = post.sender.headers["mcp-session-id"]
        return id if is_same else renew_session_id(before, now)
    if before is not None:
        # It ends for the workers that run, and one that goes on does no harm.
        with contextlib.suppress(ServiceAway):
            await _end(post.server, before, post.identity)
    identity = post.identity
    marks = marks_of(identity)
    id = make_session_id(post.server.name, identity.owner, peer, now, marks)
    if is_heard(post.server):
        session = read_session_id(id)
        assert session is not None  # it was made now
        lives = current_worker().part(SessionLives)
        await lives.open(post.server, session, identity.user)
    return id


async def _end(server: Server, session: HTTPSession, identity: Identity) -> None:
    """End a session, as its client wants it.

    Raises:
        ServiceAway: As for `OpenSessions.end`; it has ended all the same.
    """
    worker, user = current_worker(), identity.user
    await end_in_all_workers(worker, server, session, user, "client")


async def require_session(
    server: Server, exchange: HTTPExchange, identity: Identity
) -> HTTPSession | None:
    """Find the session of a GET or DELETE; None if the request is refused already."""
    headers = exchange.headers
    session = session_in(headers, server.name, identity.owner)
    sessions = current_worker().part(OpenSessions)
    if session is not None and not await sessions.is_open(session):
        session = None
    peer = None if session is None else session.peer
    refusal = legacy.check_headers(headers, peer, exchange.method)
    if refusal is None:
        return session
    allow = [(b"allow", b"POST")] if refusal.status == 405 else ()
    await exchange.respond(refusal.status, jsonrpc.serialize(refusal.answer), allow)
    return None


async def end_session(
    server: Server, exchange: HTTPExchange, identity: Identity
) -> None:
    """Answer a DELETE, by which a client ends its session.

    Raises:
        Refused: 503: that could not be kept.
    """
    session = await require_session(server, exchange, identity)
    if session is None:
        return
    try:
        await _end(server, session, identity)
    except ServiceAway as away:
        raise Refused(
            503,
            f"the session has ended, but that cannot be kept now: {away.message}",
            headers=away.headers,
        ) from None
    await exchange.respond(200)


async def take(event: Event, worker: Worker, session: HTTPSession) -> Taken:
    """Take what was posted and needs no answer.

    Returns:
        What to answer to the POST.
    """
    match event:
        case AnswerReceived(answer=answer):
            return await worker.part(Questions).answer(session, answer)
        case RequestCancelled(id=id):
            await worker.part(RunningCalls).cancel(session, id)
        case Answered(answer=answer, status=status):
            return Taken(status, jsonrpc.serialize(answer))
    return ACCEPTED


def new_log(
    worker: Worker,
    session: HTTPSession,
    kind: Kind,
    *,
    expected: Sequence[RequestId] = (),
    replayed: Replay | None = None,
) -> StoredStream:
    """Make what keeps the events of a stream, where there is an event store.

    Args:
        worker: Where the stream is open.
        session: Whose stream it is.
        kind: Of the stream.
        expected: Requests that handlers will answer on it.
        replayed: What the client missed of the stream with which this one goes on.
    """
    return StoredStream(
        session.key,
        kind,
        writes=worker.part(EventWrites),
        tell=partial(worker.part(Followers).tell, session),
        start=worker.start,
        expected=expected,
        after=replayed,
    )
