"""Streamable HTTP: one URL for every version from 2025-03-26 on, and 2024-11-05 too.

The era is chosen for each POST by what it carries.

Spec: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports;
2025-03-26 basic/transports for batches.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mcp_django.bulkheads.tallies import tallies
from mcp_django.conf import mcp_settings
from mcp_django.consumers import gate
from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.consumers.slow_reader import FlowControlledExchange
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.exchanges import legacy_post, modern_post
from mcp_django.exchanges.legacy_get import hold_stream
from mcp_django.exchanges.legacy_sessions import end_session
from mcp_django.exchanges.post import Post
from mcp_django.protocol import http_statuses, jsonrpc, modern
from mcp_django.protocol.http_headers import Accepted, accepted
from mcp_django.transports.base import Sender
from mcp_django.transports.server.refusals import Refused

METHODS: Final = ("POST", "GET", "DELETE")
_WITHOUT_STREAMS: Final = ("POST", "DELETE")


class StreamableHTTPExchange(FlowControlledExchange):
    """An exchange at the MCP endpoint."""

    binding = "streamable-http"


class StreamableHTTPConsumer(HTTPConsumer):
    """Answers one request at the MCP endpoint, of any version."""

    exchange_type: ClassVar[type[Exchange]] = StreamableHTTPExchange

    async def handle(self, exchange: Exchange) -> None:
        """Answer a POST, hold a stream for a GET, end a session for a DELETE."""
        has_streams = exchange.has_streams
        methods = METHODS if has_streams else _WITHOUT_STREAMS
        identity = await gate.admit(exchange, methods)
        if identity is None:
            return
        if exchange.method == "GET":
            await hold_stream(self.server, exchange, identity)
            return
        if exchange.method == "DELETE":
            await end_session(self.server, exchange, identity)
            return
        headers = exchange.headers
        accepts = accepted(headers.get("accept"))
        if not has_streams:
            accepts = _json_alone(accepts)
        if not (accepts.json or accepts.stream):
            raise Refused(
                406, "accept application/json and text/event-stream, or one of the two"
            )
        body = await exchange.read_json(mcp_settings.MAX_BODY_BYTES)
        sender = Sender(
            identity.user,
            headers,
            len(body),
            exchange.address,
            identity.scopes,
            identity.label,
            has_streams,
            "streamable-http",
        )
        try:
            messages = jsonrpc.parse(body)
        except RemoteProtocolError as error:
            refusal = http_statuses.refusal_of(error)
            tallies.refuse(refusal.status, refusal.reason)
            await exchange.respond(refusal.status, jsonrpc.serialize(refusal.answer))
            return
        post = Post(self.server, exchange, identity, accepts, messages, sender)
        event = modern.receive_post(messages, headers)
        if event is None:
            await legacy_post.answer(post)
        else:
            await modern_post.answer(post, event)


class WholeExchange(StreamableHTTPExchange):
    """An exchange that is answered with a whole body, as WSGI needs it."""

    has_streams = False


class WholeAnswersConsumer(StreamableHTTPConsumer):
    """Answers one request at the MCP endpoint, and with no stream."""

    exchange_type = WholeExchange


def _json_alone(accepts: Accepted) -> Accepted:
    """Take a client for one that reads JSON alone.

    Raises:
        Refused: 406: it does not.
    """
    if not accepts.json:
        raise Refused(
            406, "accept application/json: over WSGI nothing is answered with a stream"
        )
    return Accepted(json=True, stream=False)
