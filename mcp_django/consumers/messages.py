"""POST /messages: the way in of HTTP+SSE."""

from __future__ import annotations

from mcp_django.conf import mcp_settings
from mcp_django.consumers import gate
from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.sessions.posting import Posting
from mcp_django.transports.base import Sender
from mcp_django.transports.server.refusals import Refused
from mcp_django.transports.server.sse import SSEServerTransport
from mcp_django.worker.worker import current_worker


class MessagesExchange(Exchange):
    """An exchange that brings a message of a session."""

    binding = "sse"


class MessagesConsumer(HTTPConsumer):
    """Takes what a client posts to its session, wherever that lives.

    Spec: 2024-11-05 basic/transports, "HTTP with SSE".
    """

    exchange_type = MessagesExchange

    async def handle(self, exchange: Exchange) -> None:
        """Hand one POST to its session; 202 once that has taken it."""
        identity = await gate.admit(exchange, ("POST",))
        if identity is None:
            return
        body = await exchange.read_json(mcp_settings.MAX_BODY_BYTES)
        session_id = exchange.query("session_id")
        if session_id is None:
            raise Refused(
                400, "the query parameter session_id is missing; the stream names it"
            )
        sender = Sender(
            identity.user,
            exchange.headers,
            len(body),
            exchange.address,
            identity.scopes,
            identity.label,
            binding=SSEServerTransport.binding,
        )
        taken = (
            await current_worker()
            .part(Posting)
            .post(
                session_id,
                body,
                sender,
                server_name=self.server.name,
                owner=identity.owner,
            )
        )
        await exchange.respond(taken.status, taken.body, taken.headers)
