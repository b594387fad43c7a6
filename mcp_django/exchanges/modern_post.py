"""What is posted in the modern era: one request, and one answer or stream.

Spec: 2026-07-28 basic/transports/streamable-http.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from mcp_types.jsonrpc import METHOD_NOT_FOUND

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    AuthenticationFailed,
    ErrorAnswer,
    RemoteProtocolError,
    ServiceAway,
)
from mcp_django.exchanges.calls import (
    Call,
    limits_of_replies,
    notify_by,
    notify_nothing,
    wait_for_reader,
)
from mcp_django.exchanges.post import Post
from mcp_django.exchanges.streams import ListenStream
from mcp_django.protocol import http_statuses, methods
from mcp_django.protocol.events import Answered, Notified, RequestReceived
from mcp_django.server.requests import make_request
from mcp_django.server.subscriptions import subscribe
from mcp_django.transports.server.refusals import Refused
from mcp_django.transports.server.streamable_http import Reply
from mcp_django.worker.rates import exceeded_by
from mcp_django.worker.worker import current_worker


def answer(
    post: Post, event: RequestReceived | Notified | Answered
) -> Coroutine[Any, Any, None]:
    """Answer a post.

    Args:
        post: The post.
        event: What `modern.receive_post` says that it is.
    """
    match event:
        case RequestReceived():
            if mcp_settings.MAX_RATE is not None:  # on the hot path
                exceeded = exceeded_by(post.identity)
                if exceeded is not None:
                    return post.refuse_by(event.id, exceeded)
            is_call = event.method != methods.LISTEN
            return _call(post, event) if is_call else _listen(post, event)
        case Notified():
            return post.exchange.respond(202)
        case Answered():
            return post.refuse(event)


async def _call(post: Post, event: RequestReceived) -> None:
    owner, worker = post.identity.owner, current_worker()
    if worker.unread.total:
        await wait_for_reader(worker, owner)
    with await worker.connections.reserve(owner, "call"):
        reply = Reply(
            post.exchange, post.accepts, limits_of_replies, worker.unread, owner
        )
        request = make_request(
            event, post.sender, partial(notify_by, reply), mirrors_headers=True
        )
        call = ModernCall(post, worker, reply, request)
        await call.run(post.exchange.wait_for_disconnect)


class ModernCall(Call):
    """A request of the modern era; its handler ends with its connection.

    Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation".
    """

    __slots__ = ()

    statuses = http_statuses.OF_ERRORS

    def _lose_client(self) -> None:
        self.cancel()

    async def _end_without_answer(self) -> None:
        if self._is_closing:
            await self.reply.break_off()


async def _listen(post: Post, event: RequestReceived) -> None:
    """Hold the stream that answers `subscriptions/listen`.

    Spec: 2026-07-28 basic/patterns/subscriptions.
    """
    if not post.exchange.has_streams:
        refused = RemoteProtocolError(
            f"{event.method} needs a stream, which there is none of over WSGI",
            code=METHOD_NOT_FOUND,
            request_id=event.id,
        )
        await post.refuse(http_statuses.refusal_of(refused))
        return
    if not post.accepts.stream:
        raise Refused(406, f"{event.method} answers with text/event-stream")
    server, identity, worker = post.server, post.identity, current_worker()
    await worker.relay.open()
    request = make_request(event, post.sender, notify_nothing)
    try:
        subscription = await subscribe(server, request)
    except ServiceAway:
        raise
    except AuthenticationFailed as failure:
        await post.refuse_for_want(event.id, failure)
        return
    except ErrorAnswer as error:
        refused = RemoteProtocolError(
            error.message, code=error.code, data=error.data, request_id=event.id
        )
        await post.refuse(http_statuses.refusal_of(refused))
        return
    with await worker.connections.reserve(identity.owner, "stream"):
        stream = ListenStream(
            server, worker, identity, post.exchange, subscription, request
        )
        await stream.run(post.exchange.wait_for_disconnect)
