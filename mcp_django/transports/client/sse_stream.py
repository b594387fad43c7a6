"""HTTP+SSE at the client's end: the stream of events of one session.

Spec: 2024-11-05 basic/transports, "HTTP with SSE".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio

from mcp_django.exceptions import (
    MessageLost,
    RemoteProtocolError,
    RequestFailed,
    TransportClosed,
)
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.client.http import (
    EVENT_STREAM,
    EventReader,
    HTTPClient,
    media_type,
    read_refusal,
)
from mcp_django.transports.client.http_failures import (
    MAX_SHOWN,
    check_reachable,
    is_same_origin,
    refusal_of,
    show,
)
from mcp_django.transports.client.http_library import httpx2
from mcp_django.transports.event_stream import ServerSentEvent


@dataclass(eq=False)
class SSEStream:
    """One connection that the server sends events on: one session.

    Attributes:
        http: Asks for it.
        url: Where it is.
        reader: Reads the events of this stream, and of those that follow.
        transport: Takes the messages, and is told what ends nothing.
        scope: Cancelled to end it.
        endpoint: Where to post; None before the server has said it.
        failure: Why it ended; None if that is reported already.
        has_ended: Set at its end.
    """

    http: HTTPClient
    url: httpx2.URL
    reader: EventReader
    transport: Transport
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    endpoint: httpx2.URL | None = None
    failure: Exception | None = None
    has_ended: anyio.Event = field(default_factory=anyio.Event)

    async def read(self, on_endpoint: Callable[[], None]) -> None:
        """Read it until it ends.

        Args:
            on_endpoint: Called once the server has said where to post.

        Raises:
            RequestFailed: It ended before that.
            RemoteProtocolError: The server names what must not be used.
        """
        try:
            with self.scope:
                async with self.http.exchange(
                    "GET", self.url, headers={"accept": EVENT_STREAM}
                ) as response:
                    await self._check_is_stream(response)
                    async with aclosing(self.reader.read(response)) as events:
                        async for event in events:
                            await self._take(event, response.url, on_endpoint)
                raise RequestFailed(f"{show(self.url)} ended the stream of events")
        except MessageLost as error:
            lost = MessageLost(f"cannot read on from {show(self.url)}: {error}")
            if self.endpoint is None:
                raise lost from None
            self.failure = lost
        except RequestFailed as error:
            if self.endpoint is None:
                raise
            self.failure = TransportClosed(str(error))
        finally:
            self.has_ended.set()

    async def _check_is_stream(self, response: httpx2.Response) -> None:
        if not response.is_success:
            raise refusal_of(response, await read_refusal(response))
        if media_type(response) != EVENT_STREAM:
            raise RemoteProtocolError(
                f"{show(self.url)} answers with content of type "
                f"{media_type(response)[:MAX_SHOWN]!r}, and not with a stream of events"
            )

    async def _take(
        self, event: ServerSentEvent, base: httpx2.URL, on_endpoint: Callable[[], None]
    ) -> None:
        """Take an event; those with other names mean nothing to us."""
        match event.event:
            case "endpoint" if self.endpoint is None:
                self.endpoint = self._endpoint_of(event.data, base)
                on_endpoint()
            case "endpoint":
                self.transport.on_error(
                    RemoteProtocolError(
                        f"{show(self.url)} named another endpoint, which is ignored"
                    )
                )
            case "message" if event.data:
                await self.transport.deliver(event.data.encode(), Sender())

    def _endpoint_of(self, named: str, base: httpx2.URL) -> httpx2.URL:
        """Give the URL to post to.

        Args:
            named: What the server said: a URL, or a part of one.
            base: URL of the stream.

        Raises:
            RemoteProtocolError: It is none, or of another origin.

        Spec: 2024-11-05 basic/transports, "HTTP with SSE".
        """
        try:
            endpoint = base.join(named)
            check_reachable(endpoint)
        except (httpx2.InvalidURL, ValueError) as error:
            raise RemoteProtocolError(
                f"{show(self.url)} names an endpoint that is no URL: "
                f"{str(error)[:MAX_SHOWN]}"
            ) from None
        if not is_same_origin(endpoint, base):
            raise RemoteProtocolError(
                f"{show(self.url)} names an endpoint of another origin, "
                f"{show(endpoint)}; a server must not send its clients' messages and "
                "tokens elsewhere"
            )
        # The server does not say as which user we come.
        return endpoint.copy_with(userinfo=base.userinfo, fragment=None)
