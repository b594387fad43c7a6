"""What is posted in the legacy era: `initialize`, and then messages of a session.

Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_django.exchanges.batches import answer_batch
from mcp_django.exchanges.calls import notify_nothing, wait_for_reader
from mcp_django.exchanges.legacy_calls import LegacyCall, reply_to
from mcp_django.exchanges.legacy_sessions import begin_session, find_session, take
from mcp_django.exchanges.post import Post
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.protocol import jsonrpc, legacy, methods
from mcp_django.protocol.events import Answered, Event, RequestReceived
from mcp_django.server.languages import language_for
from mcp_django.server.requests import make_request
from mcp_django.worker.worker import current_worker


async def answer(post: Post) -> None:
    """Answer a post."""
    headers = post.sender.headers
    session = await find_session(post.server, post.identity, headers)
    peer = None if session is None else session.peer
    event = legacy.receive_post(post.messages, headers, peer)
    match event:
        case RequestReceived(method=methods.INITIALIZE):
            await _initialize(post, event, session)
        case Answered(answer=at_once, status=200):
            await reply_to(post, session).answer(jsonrpc.serialize(at_once))
        case Answered():
            await post.refuse(event)
        case _ if session is not None:
            await _answer_in(session, post, event)


async def _answer_in(
    session: HTTPSession, post: Post, event: Event | Sequence[Event]
) -> None:
    match event:
        case RequestReceived():
            await _call(post, event, session)
        case Sequence():
            await answer_batch(post, event, session)
        case _:
            await post.tell(await take(event, session))


async def _call(post: Post, event: RequestReceived, session: HTTPSession) -> None:
    owner, worker = post.identity.owner, current_worker()
    if worker.unread.total:
        await wait_for_reader(worker, owner)
    with await worker.connections.reserve(owner, "call"):
        reply = reply_to(post, session, expected=(event.id,))
        call = LegacyCall(post, worker, reply, event, session)
        await call.run(post.exchange.wait_for_disconnect)


async def _initialize(
    post: Post, event: RequestReceived, before: HTTPSession | None
) -> None:
    """Answer `initialize`, and begin a session or go on with the one before.

    Spec: 2025-11-25 basic/lifecycle, "Initialization"; basic/transports, "Session
    Management".
    """
    request = make_request(event, post.sender, notify_nothing)
    with await language_for(post.server, request):
        description = post.server.describe(event.peer.version)
    id = await begin_session(post, event.peer, before)
    reply = reply_to(post, None, headers=[(b"mcp-session-id", id.encode())])
    result = legacy.initialized(event.id, event.peer, description)
    await reply.answer(jsonrpc.serialize(result))
