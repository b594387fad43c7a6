"""One HTTP request that brings messages, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from django.http import HttpRequest
from mcp_types.jsonrpc import RequestId

from mcp_django.auth.authenticating import challenged
from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.tallies import tallies
from mcp_django.exceptions import AuthenticationFailed, ErrorAnswer
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Answered
from mcp_django.protocol.http_headers import Accepted
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.server.http_response import HTTPResponse
from mcp_django.worker.acknowledgement import Taken


class HTTPExchange(HTTPResponse, Protocol):
    """An HTTP request and the way to answer it, whatever the server."""

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers but those with credentials; names in lower case."""

    session_id: str
    """Names the session that it opens; "" if it opens none."""

    @property
    def has_streams(self) -> bool:
        """Whether it can be answered with a stream; not over WSGI."""

    @property
    def request(self) -> HttpRequest:
        """The same as Django sees it, without its body; made when it is needed."""

    async def wait_for_disconnect(self) -> None:
        """Return when the client is gone."""

    def leave(self) -> None:
        """Go on without the client, for as long as it takes."""


@dataclass(slots=True)  # on the hot path: a frozen one takes four times as long
class Post:
    """One HTTP request that brings messages.

    Attributes:
        server: Whose endpoint it came to.
        exchange: How it is answered.
        identity: Whose it is.
        accepts: What its client can read.
        messages: What it brings: a message, or a batch of them.
        sender: What handlers know of its client; has its headers.
    """

    server: Server
    exchange: HTTPExchange
    identity: Identity
    accepts: Accepted
    messages: Message | list[Message]
    sender: Sender

    async def challenged(self, failure: AuthenticationFailed) -> AuthenticationFailed:
        """Add to the refusal of a request what credentials it needs instead."""
        return await challenged(failure, self.identity, self.exchange.request)

    async def refuse_for_want(
        self, id: RequestId, failure: AuthenticationFailed
    ) -> None:
        """Answer its one request with what credentials it needs instead."""
        await self.refuse_by(id, await self.challenged(failure))

    async def refuse_by(self, id: RequestId, error: ErrorAnswer) -> None:
        """Answer its one request with an error that has an HTTP status of its own."""
        answer = jsonrpc.error(id, error.code, error.message, error.data)
        status = 200 if error.status is None else error.status
        tallies.refuse(status, error.message)
        await self.exchange.respond(status, jsonrpc.serialize(answer), error.headers)

    async def refuse(self, refusal: Answered) -> None:
        """Answer it with what the protocol says at once."""
        tallies.refuse(refusal.status, refusal.reason)
        await self.exchange.respond(refusal.status, jsonrpc.serialize(refusal.answer))

    async def tell(self, taken: Taken) -> None:
        """Answer it with what came of a message that needs no answer."""
        await self.exchange.respond(taken.status, taken.body, taken.headers)
