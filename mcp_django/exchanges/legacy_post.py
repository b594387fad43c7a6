"""What is posted in the legacy era: `initialize`, and then messages of a session.

Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_django.conf import mcp_settings
from mcp_django.exchanges.batches import answer_batch
from mcp_django.exchanges.calls import notify_nothing
from mcp_django.exchanges.legacy_calls import answer_call, reply_to
from mcp_django.exchanges.legacy_sessions import begin_session, take
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.post import Post
from mcp_django.exchanges.session_id import HTTPSession, session_in
from mcp_django.protocol import jsonrpc, legacy, methods
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    RequestCancelled,
    RequestReceived,
)
from mcp_django.protocol.initialize import initialized
from mcp_django.server.languages import language_for
from mcp_django.server.requests import make_request
from mcp_django.worker.acknowledgement import ACCEPTED
from mcp_django.worker.rates import exceeded_by
from mcp_django.worker.worker import Worker, current_worker


async def answer(post: Post) -> None:
    """Answer a post."""
    headers = post.sender.headers
    session = session_in(headers, post.server.name, post.identity.owner)
    worker = current_worker()
    sessions = worker.part(OpenSessions)
    if session is not None and not await sessions.is_open(session):
        session = None
    peer = None if session is None else session.peer
    event = legacy.receive_post(post.messages, headers, peer)
    if mcp_settings.MAX_RATE is not None and isinstance(event, RequestReceived):
        exceeded = exceeded_by(post.identity)
        if exceeded is not None:
            await post.refuse_by(event.id, exceeded)
            return
    match event:
        case RequestReceived(method=methods.INITIALIZE):
            await _initialize(post, worker, event, session)
        case Answered(answer=at_once, status=200):
            # What `initialize` is told belongs to no session, whichever it names.
            is_initialize = legacy.is_initialize(post.messages)
            reply = reply_to(post, worker, None if is_initialize else session)
            await reply.answer(jsonrpc.serialize(at_once))
        case Answered():
            await post.refuse(event)
        case RequestReceived() if session:
            await answer_call(post, worker, event, session)
        case Sequence() if session:
            await answer_batch(post, worker, event, session)
        case AnswerReceived() | RequestCancelled() if session:
            await post.tell(await take(event, worker, session))
        case _:
            await post.tell(ACCEPTED)


async def _initialize(
    post: Post, worker: Worker, event: RequestReceived, before: HTTPSession | None
) -> None:
    """Answer `initialize`, and begin a session or go on with the one before.

    Spec: 2025-11-25 basic/lifecycle, "Initialization"; basic/transports, "Session
    Management".
    """
    request = make_request(event, post.sender, notify_nothing)
    with await language_for(post.server, request):
        description = post.server.describe(
            event.peer.version, has_streams=post.sender.has_streams
        )
    id = await begin_session(post, event.peer, before)
    post.exchange.session_id = id
    reply = reply_to(post, worker, None, headers=[(b"mcp-session-id", id.encode())])
    result = initialized(event.id, event.peer, description)
    await reply.answer(jsonrpc.serialize(result))
